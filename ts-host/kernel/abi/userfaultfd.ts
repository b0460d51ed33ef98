/** userfaultfd: features, ioctls, events (linux/userfaultfd.h). */

import { _IOR, _IOWR } from "./ioctl.ts";
import { struct } from "./layout.ts";

/** Flag of the system call: only faults from user mode, which needs no privilege. */
export const UFFD_USER_MODE_ONLY = 1;

/** `api` of UFFDIO_API. */
export const UFFD_API = 0xaa;

export const UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1;
export const UFFD_FEATURE_EVENT_FORK = 2;
export const UFFD_FEATURE_EVENT_REMAP = 4;
export const UFFD_FEATURE_EVENT_REMOVE = 8;
export const UFFD_FEATURE_MISSING_HUGETLBFS = 16;
export const UFFD_FEATURE_MISSING_SHMEM = 32;
export const UFFD_FEATURE_EVENT_UNMAP = 0x40;
export const UFFD_FEATURE_SIGBUS = 0x80;
export const UFFD_FEATURE_THREAD_ID = 0x100;
export const UFFD_FEATURE_MINOR_HUGETLBFS = 0x200;
export const UFFD_FEATURE_MINOR_SHMEM = 0x400;
export const UFFD_FEATURE_EXACT_ADDRESS = 0x800;
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 0x1000;
export const UFFD_FEATURE_WP_UNPOPULATED = 0x2000;
export const UFFD_FEATURE_POISON = 0x4000;
export const UFFD_FEATURE_WP_ASYNC = 0x8000;
export const UFFD_FEATURE_MOVE = 0x10000;

export const UFFDIO_REGISTER_MODE_MISSING = 1;
export const UFFDIO_REGISTER_MODE_WP = 2;
export const UFFDIO_REGISTER_MODE_MINOR = 4;
export const UFFDIO_COPY_MODE_DONTWAKE = 1;
export const UFFDIO_COPY_MODE_WP = 2;
export const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1;
export const UFFDIO_WRITEPROTECT_MODE_WP = 1;
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 2;

/** `event` of a message that is read from the descriptor. */
export const UFFD_EVENT_PAGEFAULT = 0x12;
export const UFFD_EVENT_FORK = 0x13;
export const UFFD_EVENT_REMAP = 0x14;
export const UFFD_EVENT_REMOVE = 0x15;
export const UFFD_EVENT_UNMAP = 0x16;

/** `flags` of a page fault message. */
export const UFFD_PAGEFAULT_FLAG_WRITE = 1;
export const UFFD_PAGEFAULT_FLAG_WP = 2;
export const UFFD_PAGEFAULT_FLAG_MINOR = 4;

export const uffdioApi = struct("uffdio_api", { api: "u64", features: "u64", ioctls: "u64" });

export const uffdioRange = struct("uffdio_range", { start: "u64", len: "u64" });

export const uffdioRegister = struct("uffdio_register", { range: uffdioRange, mode: "u64", ioctls: "u64" });

export const uffdioCopy = struct("uffdio_copy", {
  dst: "u64",
  src: "u64",
  len: "u64",
  mode: "u64",
  copy: "i64",
});

export const uffdioZeropage = struct("uffdio_zeropage", { range: uffdioRange, mode: "u64", zeropage: "i64" });

export const uffdioWriteprotect = struct("uffdio_writeprotect", { range: uffdioRange, mode: "u64" });

/**
 * A message with its page fault form: `arg0` are the flags, `arg1` the address, `arg2` the thread if
 * UFFD_FEATURE_THREAD_ID is on. REMAP holds from, to, length; REMOVE and UNMAP start, end; FORK in the low
 * half of `arg0` the descriptor for the child.
 */
export const uffdMsg = struct("uffd_msg", {
  event: "u8",
  reserved1: "u8",
  reserved2: "u16",
  reserved3: "u32",
  arg0: "u64",
  arg1: "u64",
  arg2: "u64",
});

export const UFFDIO_API = _IOWR(0xaa, 0x3f, uffdioApi.size);
export const UFFDIO_REGISTER = _IOWR(0xaa, 0x00, uffdioRegister.size);
/** Odd but true: these two take their argument and are encoded as if they filled it. */
export const UFFDIO_UNREGISTER = _IOR(0xaa, 0x01, uffdioRange.size);
export const UFFDIO_WAKE = _IOR(0xaa, 0x02, uffdioRange.size);
export const UFFDIO_COPY = _IOWR(0xaa, 0x03, uffdioCopy.size);
export const UFFDIO_ZEROPAGE = _IOWR(0xaa, 0x04, uffdioZeropage.size);
export const UFFDIO_WRITEPROTECT = _IOWR(0xaa, 0x06, uffdioWriteprotect.size);
