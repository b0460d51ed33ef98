/** Features of memory. */
import { closeSync, openSync, readSync } from "node:fs";
import { O_CLOEXEC, O_NONBLOCK } from "../kernel/abi/fcntl.ts";
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_SIZE,
  PROT_NONE,
} from "../kernel/abi/mman.ts";
import {
  PAGE_IS_GUARD,
  PAGE_IS_PRESENT,
  PAGEMAP_SCAN,
  PAGEMAP_SOFT_DIRTY,
  pageRegion,
  pmScanArg,
} from "../kernel/abi/pagemap.ts";
import { ARCH_MAP_VDSO_64, PR_SET_MM, PR_SET_MM_MAP_SIZE } from "../kernel/abi/prctl.ts";
import {
  UFFD_API,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFDIO_API,
  uffdioApi,
} from "../kernel/abi/userfaultfd.ts";
import { ERRNO } from "../kernel/errno.ts";
import { ProcPid } from "../kernel/process.ts";
import { call } from "../native/calls.ts";
import { addressOf } from "../native/ffi.ts";
import { cString, errnoOf, type Feature, withDescriptor, works } from "./feature.ts";

const EVENTS =
  UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;

/** A page that was just written is soft-dirty, wherever the kernel keeps that. */
function tracksSoftDirty(): boolean {
  const page = Buffer.alloc(2 * PAGE_SIZE, 1);
  const word = Buffer.alloc(8);
  const fd = openSync("/proc/self/pagemap", "r");
  try {
    readSync(fd, word, 0, 8, Number(addressOf(page) / BigInt(PAGE_SIZE)) * 8);
  } finally {
    closeSync(fd);
  }
  return (word.readBigUInt64LE() & PAGEMAP_SOFT_DIRTY) !== 0n;
}

/** Whether PAGEMAP_SCAN knows pages of that category. */
function scansPages(category: number): boolean {
  const page = Buffer.alloc(2 * PAGE_SIZE, 1);
  const regions = Buffer.alloc(pageRegion.size);
  const start = (addressOf(page) / BigInt(PAGE_SIZE)) * BigInt(PAGE_SIZE);
  const arg = pmScanArg.pack({
    size: BigInt(pmScanArg.size),
    start,
    end: start + BigInt(PAGE_SIZE),
    vec: addressOf(regions),
    vec_len: 1n,
    category_anyof_mask: BigInt(category),
    return_mask: BigInt(category),
  });
  const fd = openSync("/proc/self/pagemap", "r");
  try {
    return works("ioctl", fd, PAGEMAP_SCAN, arg);
  } finally {
    closeSync(fd);
  }
}

function reportsEvents(features: number): boolean {
  return withDescriptor(
    (fd) =>
      works("ioctl", fd, UFFDIO_API, uffdioApi.pack({ api: BigInt(UFFD_API), features: BigInt(features) })),
    "userfaultfd",
    O_CLOEXEC | O_NONBLOCK,
  );
}

/** The context of asynchronous I/O is known by the address of its ring: it has to move with it. */
function movesAioRings(): boolean {
  const context = Buffer.alloc(8);
  call("io_setup", 1, context);
  let address = context.readBigUInt64LE();
  try {
    const ring = new ProcPid(process.pid).maps().find(({ start }) => start === address)!;
    const size = ring.end - ring.start;
    const hole = call("mmap", 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    address = call("mremap", address, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
    return works("io_getevents", address, 0, 1, new Uint8Array(32), 0);
  } finally {
    works("io_destroy", address);
  }
}

export const MEMORY_FEATURES: Feature[] = [
  { name: "mem_dirty_track", use: "incremental dumps by soft-dirty pages", isThere: tracksSoftDirty },
  {
    name: "pagemap_scan",
    use: "finding the pages of a process",
    isThere: () => scansPages(PAGE_IS_PRESENT),
  },
  {
    name: "pagemap_scan_guard_pages",
    use: "guard pages",
    isThere: () => scansPages(PAGE_IS_GUARD),
  },
  { name: "uffd", use: "lazy restore, snapshots", isThere: () => reportsEvents(0) },
  {
    name: "uffd-noncoop",
    use: "lazy restore of processes that fork",
    isThere: () => reportsEvents(EVENTS),
  },
  { name: "aio_remap", use: "asynchronous I/O", isThere: movesAioRings },
  {
    name: "can_map_vdso",
    use: "a vDSO of its own",
    // In a process that has one, the answer is that it has one.
    isThere: () => [0, ERRNO.EEXIST].includes(errnoOf("arch_prctl", ARCH_MAP_VDSO_64, 0)),
  },
  {
    name: "memfd_hugetlb",
    use: "memory files of huge pages",
    isThere: () => {
      const flags = MFD_CLOEXEC | MFD_HUGETLB;
      if (errnoOf("memfd_create", cString("check"), flags) === ERRNO.ENOENT) return true;
      return withDescriptor(() => true, "memfd_create", cString("check"), flags);
    },
  },
  {
    name: "mm_map",
    use: "program break, arguments, environment and auxiliary vector",
    isThere: () => works("prctl", PR_SET_MM, PR_SET_MM_MAP_SIZE, new Uint8Array(4), 0, 0),
  },
];
