/**
 * Content of shared memory objects, which live in the kernel's own tmpfs: each is dumped once, whole, under the
 * number of its inode, and filled through a descriptor of this process. Which there are, memfd.ts knows.
 */
import { fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { PE_PRESENT } from "../../images/pagemap-entry.ts";
import { SEEK_DATA, SEEK_HOLE } from "../../kernel/abi/fcntl.ts";
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../../kernel/abi/mman.ts";
import { call } from "../../native/calls.ts";
import type { Range } from "../../remote/memory.ts";
import { append } from "../../remote/ranges.ts";
import { readPagemap, readRuns } from "./pagemap.ts";
import { PAGE, pagemapEntry, pagesIn } from "./pages.ts";

// Dump.

function seek(fd: number, offset: bigint, whence: number): bigint | undefined {
  try {
    return call("lseek", fd, offset, whence);
  } catch (error) {
    if ((error as { context?: { errno?: string } }).context?.errno === "ENXIO") return undefined;
    throw error;
  }
}

/** The parts of an open file of `size` bytes that hold data, in whole pages. */
export function dataRanges(fd: number, size: bigint): Range[] {
  const ranges: Range[] = [];
  for (let at = 0n; at < size; ) {
    const start = seek(fd, at, SEEK_DATA);
    if (start === undefined) break;
    const end = seek(fd, start, SEEK_HOLE) ?? size;
    append(ranges, start, (end + PAGE - 1n) & -PAGE);
    at = end;
  }
  return ranges;
}

/** Fills `view` from a file at `offset`; with zeros past its end. */
function readPages(fd: number, offset: number, view: Uint8Array): void {
  for (let done = 0; done < view.length; ) {
    const got = readSync(fd, view, done, view.length - done, offset + done);
    if (got === 0) {
      view.fill(0, done);
      return;
    }
    done += got;
  }
}

/** Copies a shared object, open as `fd`, under the number `shmid`: pagemap-shmem and a page stream. */
export function dumpSharedObject(task: DumpTask, shmid: bigint, fd: number): void {
  const sink = task.context.writer!.pages();
  const name = { kind: "SHMEM_PAGEMAP", id: shmid.toString() } as const;
  task.images.append(name, { message: { pages_id: sink.id } });
  const size = BigInt(fstatSync(fd).size);
  task.pageCounts.sharedPagesScanned += Number((size + PAGE - 1n) / PAGE);
  for (const range of dataRanges(fd, size)) {
    task.images.append(name, { message: pagemapEntry(range, PE_PRESENT) });
    const pages = pagesIn(range);
    task.pageCounts.sharedPagesWritten += pages;
    sink.append(pages, (view, offset) => readPages(fd, Number(range.start) + offset, view));
  }
}

// Restore.

/**
 * Shared anonymous memory of `size` bytes, made by this process and open for both. What is mapped of it is mapped
 * through that descriptor.
 */
export function createSharedAnonymous(size: bigint): number {
  const length = (size + PAGE - 1n) & -PAGE;
  const prot = PROT_READ | PROT_WRITE;
  const start = call("mmap", 0, length, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  try {
    return openSync(`/proc/self/map_files/${start.toString(16)}-${(start + length).toString(16)}`, "r+");
  } finally {
    call("munmap", start, length);
  }
}

/** Writes the pages of a shared object into a file of this process, open as `fd`. */
export function fillFile(task: RestoreTask, shmid: string, fd: number): void {
  const pagemap = readPagemap(task, "SHMEM_PAGEMAP", shmid);
  readRuns(pagemap, pagemap.runs, (ranges, content) => {
    let from = 0;
    for (const range of ranges) {
      const size = Number(range.end - range.start);
      writeWhole(fd, content.subarray(from, from + size), Number(range.start));
      from += size;
    }
  });
}

function writeWhole(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}
