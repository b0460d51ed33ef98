/**
 * Shared memory that belongs to no file: objects of the kernel's tmpfs, of which a task has mapped one or more
 * parts. Each object is dumped once, whole, under the number of its inode. At restore it is mapped whole in one
 * place, filled there, and each of its mappings is made from that one.
 *
 * Lost: pages of an object past all that is mapped of it, when they were never written.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from "../../kernel/abi/mman.ts";
import { call } from "../../native/calls.ts";
import { Batch } from "../../remote/batch.ts";
import { type Range, writeRanges } from "../../remote/memory.ts";
import { findHole, takenRanges } from "./holes.ts";
import { type Pagemap, type PageRun, readPagemap, readRuns } from "./pagemap.ts";
import { PAGE, PE_PRESENT, pagemapEntry } from "./pages.ts";
import { append } from "./ranges.ts";
import { is, VMA_ANON_SHARED } from "./vma.ts";

// Dump.

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
    const pages = Number((range.end - range.start) / PAGE);
    task.pageCounts.sharedPagesWritten += pages;
    sink.append(pages, (view, offset) => readPages(fd, Number(range.start) + offset, view));
  }
}

/** Copies each shared object that the task has mapped. */
export function dumpSharedMemory(task: DumpTask, vmas: readonly VmaEntry[]): void {
  for (const [shmid, pieces] of sharedObjects(vmas)) {
    const { start, end } = pieces[0]!;
    const fd = openSync(`/proc/${task.pid}/map_files/${start.toString(16)}-${end.toString(16)}`, "r");
    try {
      dumpSharedObject(task, shmid, fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** The mappings of each shared object. */
function sharedObjects(vmas: readonly VmaEntry[]): Map<bigint, VmaEntry[]> {
  const objects = new Map<bigint, VmaEntry[]>();
  for (const vma of vmas) {
    if (!is(vma, VMA_ANON_SHARED)) continue;
    const pieces = objects.get(vma.shmid);
    if (pieces) pieces.push(vma);
    else objects.set(vma.shmid, [vma]);
  }
  return objects;
}

// Restore.

const WRITABLE = PROT_READ | PROT_WRITE;

const length = ({ start, end }: Range) => end - start;

/** How far the mappings of an object and its pages reach. */
function sizeOf(pieces: readonly VmaEntry[], runs: readonly PageRun[]): bigint {
  const reaches = [...pieces.map((vma) => vma.pgoff + length(vma)), ...runs.map(({ end }) => end)];
  return reaches.reduce((most, reach) => (reach > most ? reach : most), 0n);
}

/** Maps an object whole and empty: where the task has it whole, else in a hole. */
function mapWhole(task: RestoreTask, pieces: readonly VmaEntry[], size: bigint): Range {
  const own = pieces.find((vma) => vma.pgoff === 0n && length(vma) === size);
  const start = own?.start ?? findHole(takenRanges(task), size);
  const noReserve = pieces[0]!.flags & MAP_NORESERVE;
  const flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | noReserve;
  const batch = new Batch();
  batch.call("mmap", [start, size, WRITABLE, flags, -1, 0]);
  task.run(batch);
  return { start, end: start + size };
}

/** An old size of 0 makes mremap map the same pages once more. */
function mapAgain(vma: VmaEntry, whole: Range, batch: Batch): void {
  if (vma.start === whole.start) return;
  const how = MREMAP_MAYMOVE | MREMAP_FIXED;
  batch.call("mremap", [whole.start + vma.pgoff, 0, length(vma), how, vma.start]);
}

function protect(vma: VmaEntry, batch: Batch): void {
  if (vma.prot !== WRITABLE) batch.call("mprotect", [vma.start, length(vma), vma.prot]);
}

/** Writes the pages of a shared object; `whole` is where it is mapped. */
function fillObject(task: RestoreTask, { runs, source }: Pagemap, whole: Range): void {
  readRuns(source, runs, (ranges, content) => {
    const moved = ranges.map(({ start, end }) => ({ start: start + whole.start, end: end + whole.start }));
    writeRanges(task.pid, moved, content);
  });
}

/** Writes the pages of a shared object into a file of this process, open as `fd`. */
export function fillFile(task: RestoreTask, shmid: string, fd: number): void {
  const { runs, source } = readPagemap(task, "SHMEM_PAGEMAP", shmid);
  readRuns(source, runs, (ranges, content) => {
    let from = 0;
    for (const range of ranges) {
      const size = Number(length(range));
      writeWhole(fd, content.subarray(from, from + size), Number(range.start));
      from += size;
    }
  });
}

function writeWhole(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

function restoreObject(task: RestoreTask, shmid: bigint, pieces: readonly VmaEntry[]): void {
  const pagemap = readPagemap(task, "SHMEM_PAGEMAP", shmid.toString());
  const whole = mapWhole(task, pieces, sizeOf(pieces, pagemap.runs));
  fillObject(task, pagemap, whole);
  task.inBatches(pieces, (vma, batch) => mapAgain(vma, whole, batch));
  task.inBatches(pieces, protect);
  if (pieces.some(({ start }) => start === whole.start)) return;
  const batch = new Batch();
  batch.call("munmap", [whole.start, length(whole)]);
  task.run(batch);
}

/** Maps all shared objects, with their content. */
export function restoreSharedMemory(task: RestoreTask): void {
  for (const [shmid, pieces] of sharedObjects(task.mm.vmas)) restoreObject(task, shmid, pieces);
}
