/** Dump of page content: which pages are a task's own, and copying them into the page streams. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { PagemapEntry, PagemapHead, VmaEntry } from "../../generated/messages.ts";
import {
  PAGE_IS_FILE,
  PAGE_IS_GUARD,
  PAGE_IS_PFNZERO,
  PAGE_IS_PRESENT,
  PAGE_IS_SWAPPED,
  PAGEMAP_SCAN,
  pageRegion,
  pmScanArg,
} from "../../kernel/abi/pagemap.ts";
import { call } from "../../native/calls.ts";
import { addressOf } from "../../native/ffi.ts";
import { readMemory } from "../../remote/memory.ts";
import { canBeLazy, is, isPrivate, VMA_ANON_SHARED, VMA_GUARD, VMA_VSYSCALL, VMA_VVAR } from "./vma.ts";

export const PAGE = 4096n;
export const PE_PARENT = 1;
export const PE_LAZY = 2;
export const PE_PRESENT = 4;

export interface Range {
  start: bigint;
  end: bigint;
}

const REGIONS = 1024;

/** Scans page tables with PAGEMAP_SCAN; one scanner serves one process. */
export class PageScanner {
  private readonly fd: number;
  private readonly regions = Buffer.alloc(REGIONS * pageRegion.size);

  constructor(pid: number) {
    this.fd = openSync(`/proc/${pid}/pagemap`, "r");
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Private pages with content: neither the file's own, nor the zero page, nor guard markers. */
  ownPages(range: Range): Range[] {
    return this.scan(range, {
      category_inverted: BigInt(PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD),
      category_mask: BigInt(PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD),
      category_anyof_mask: BigInt(PAGE_IS_PRESENT | PAGE_IS_SWAPPED),
    });
  }

  /** Ranges that MADV_GUARD_INSTALL has made fatal to touch. */
  guardPages(range: Range): Range[] {
    return this.scan(range, { category_mask: BigInt(PAGE_IS_GUARD) });
  }

  private scan(range: Range, categories: Record<string, bigint>): Range[] {
    const found: Range[] = [];
    for (let start = range.start; start < range.end; ) {
      const arg = Buffer.from(
        pmScanArg.pack({
          size: BigInt(pmScanArg.size),
          start,
          end: range.end,
          vec: addressOf(this.regions),
          vec_len: BigInt(REGIONS),
          // Asked for one category that all of them share, neighbours come as one region.
          return_mask: BigInt(PAGE_IS_FILE),
          ...categories,
        }),
      );
      const count = Number(call("ioctl", this.fd, PAGEMAP_SCAN, arg));
      for (let index = 0; index < count; index++)
        append(found, pageRegion.read(this.regions, index * pageRegion.size));
      const { walk_end } = pmScanArg.read(arg);
      if (walk_end <= start) break;
      start = walk_end;
    }
    return found;
  }
}

function append(ranges: Range[], { start, end }: Range): void {
  const last = ranges.at(-1);
  if (last && last.end === start) last.end = end;
  else ranges.push({ start, end });
}

function pagemapEntry(range: Range, flags: number): PagemapEntry {
  return {
    vaddr: range.start,
    compat_nr_pages: 0,
    flags,
    nr_pages: (range.end - range.start) / PAGE,
    compressed_size: [],
  };
}

/** Copies the private pages of the stopped task: one page stream, and the pagemap that says what is where. */
export function dumpPrivatePages(task: DumpTask, vmas: VmaEntry[]): void {
  const sink = task.context.writer!.pages();
  const head: PagemapHead = { pages_id: sink.id };
  const name = { kind: "PAGEMAP", id: task.pid } as const;
  task.images.append(name, { message: head });
  for (const range of ownRanges(task, vmas)) {
    task.images.append(name, { message: pagemapEntry(range, range.flags) });
    const pages = Number((range.end - range.start) / PAGE);
    sink.append(pages, (view, offset) => readMemory(task.pid, range.start + BigInt(offset), view));
    task.pageCounts.pagesWritten += pages;
  }
}

/** Ranges of private pages with content, joined across neighbouring mappings whose flags agree. */
function ownRanges(task: DumpTask, vmas: VmaEntry[]): (Range & { flags: number })[] {
  const ranges: (Range & { flags: number })[] = [];
  const scanner = new PageScanner(task.pid);
  try {
    for (const vma of vmas) {
      if (!isPrivate(vma) || is(vma, VMA_VVAR | VMA_VSYSCALL | VMA_GUARD)) continue;
      task.pageCounts.pagesScanned += Number((vma.end - vma.start) / PAGE);
      const flags = canBeLazy(vma) ? PE_PRESENT | PE_LAZY : PE_PRESENT;
      for (const { start, end } of scanner.ownPages(vma)) {
        const last = ranges.at(-1);
        if (last && last.end === start && last.flags === flags) last.end = end;
        else ranges.push({ start, end, flags });
      }
    }
  } finally {
    scanner.close();
  }
  return ranges;
}

/** Guard ranges, as the entries that CRIU's images end their list of mappings with. */
export function guardEntries(task: DumpTask, vmas: VmaEntry[]): VmaEntry[] {
  const scanner = new PageScanner(task.pid);
  try {
    return vmas
      .filter((vma) => isPrivate(vma) && !is(vma, VMA_VVAR | VMA_VSYSCALL))
      .flatMap((vma) => scanner.guardPages(vma))
      .map(({ start, end }) => ({
        start,
        end,
        pgoff: 0n,
        shmid: 0n,
        prot: 0,
        flags: 0,
        status: VMA_GUARD,
        fd: -1n,
      }));
  } finally {
    scanner.close();
  }
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

function seek(fd: number, offset: bigint, whence: number): bigint | undefined {
  try {
    return call("lseek", fd, offset, whence);
  } catch (error) {
    if ((error as { context?: { errno?: string } }).context?.errno === "ENXIO") return undefined;
    throw error;
  }
}

/** The parts of an open tmpfs file that hold data. */
export function dataRanges(fd: number, size: bigint): Range[] {
  const ranges: Range[] = [];
  for (let at = 0n; at < size; ) {
    const start = seek(fd, at, SEEK_DATA);
    if (start === undefined) break;
    const end = seek(fd, start, SEEK_HOLE) ?? size;
    append(ranges, { start, end: (end + PAGE - 1n) & ~(PAGE - 1n) });
    at = end;
  }
  return ranges;
}

/** Copies a shared memory object, open as `fd`, under the number `shmid`: pagemap-shmem and a page stream. */
export function dumpSharedObject(task: DumpTask, shmid: bigint, fd: number): void {
  const sink = task.context.writer!.pages();
  const name = { kind: "SHMEM_PAGEMAP", id: shmid.toString() } as const;
  const head: PagemapHead = { pages_id: sink.id };
  task.images.append(name, { message: head });
  const size = BigInt(fstatSync(fd).size);
  task.pageCounts.sharedPagesScanned += Number((size + PAGE - 1n) / PAGE);
  for (const range of dataRanges(fd, size)) {
    task.images.append(name, { message: pagemapEntry(range, PE_PRESENT) });
    const pages = Number((range.end - range.start) / PAGE);
    task.pageCounts.sharedPagesWritten += pages;
    sink.append(pages, (view, offset) => {
      const at = Number(range.start) + offset;
      for (let done = 0; done < view.length; ) {
        const got = readSync(fd, view, done, view.length - done, at + done);
        if (got === 0) {
          view.fill(0, done);
          break;
        }
        done += got;
      }
    });
  }
}

/** Copies each shared anonymous object of the task once. */
export function dumpSharedMemory(task: DumpTask, vmas: VmaEntry[]): void {
  const done = new Set<bigint>();
  for (const vma of vmas) {
    if (!is(vma, VMA_ANON_SHARED) || done.has(vma.shmid)) continue;
    done.add(vma.shmid);
    const fd = openSync(`/proc/${task.pid}/map_files/${vma.start.toString(16)}-${vma.end.toString(16)}`, "r");
    try {
      dumpSharedObject(task, vma.shmid, fd);
    } finally {
      closeSync(fd);
    }
  }
}
