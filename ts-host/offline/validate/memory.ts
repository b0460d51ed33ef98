/** Memory: mappings that the kernel would accept, pagemaps that lie in them, page streams of the right length. */
import { CriuWasmError } from "../../errors.ts";
import { FdTypes, type MmEntry, type VmaEntry } from "../../generated/messages.ts";
import type { ImageName } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { flagsOf, PE_PRESENT, pagesOf } from "../../images/pagemap-entry.ts";
import {
  is,
  VMA_FILE_PRIVATE,
  VMA_FILE_SHARED,
  VMA_GUARD,
  VMA_MEMFD,
  VMA_VSYSCALL,
} from "../../kinds/memory/vma.ts";
import { typeName } from "../describe-file.ts";
import { entryOf, headOf, PAGE_SIZE, PageIndex, wrongRun } from "../page-index.ts";
import type { Process } from "../process.ts";
import type { Progress } from "../progress.ts";
import { readOrTell } from "./damage.ts";
import type { Files } from "./files.ts";
import { type Finding, fromError, strange, wrong } from "./finding.ts";
import type { Images } from "./images.ts";

const PAGE = BigInt(PAGE_SIZE);
/** The end of what a process may map: 47 bits, 57 with five levels of page tables. */
const ADDRESS_END = 1n << 57n;
/** Pages that are read at once. */
const READ_PAGES = 1024;

type PagemapName = ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">;

/** `before`: how far validation is, and has to come. */
export function* checkMemory(images: Images, files: Files, before: Progress): Generator<Finding | Progress> {
  for (const name of images.named("MM")) yield* checkMappings(images, name, files);
  const streams = new Map<number, string>();
  for (const kind of ["PAGEMAP", "SHMEM_PAGEMAP"] as const) {
    for (const name of images.named(kind)) yield* checkPagemap(images, name, streams);
  }
  const progress = { ...before };
  for (const id of images.checkpoint.reader.streams()) {
    const file = imageFileName({ kind: "PAGES", id });
    if (!streams.has(id)) yield strange({ file }, "no pagemap refers to these pages");
    yield* checkPages(images, id, file, progress);
  }
  yield* checkContents(images);
}

function* checkMappings(images: Images, name: ImageName<"MM">, files: Files): Generator<Finding> {
  const file = imageFileName(name);
  const records = images.messages(name);
  if (records.length !== 1 && !images.damaged.has(file))
    yield wrong({ file }, `${records.length} records, not one`);
  for (const mm of records.slice(0, 1)) {
    yield* checkNumbers(mm, file);
    if (files.get(mm.exe_file_id)?.type !== FdTypes.REG) {
      yield wrong({ file, record: 0, field: "exe_file_id" }, `no regular file has the id ${mm.exe_file_id}`);
    }
    let end = 0n;
    for (const [index, vma] of mm.vmas.entries()) {
      const place = { file, record: 0, field: `vmas[${index}]` };
      const problem = wrongBounds(vma, end);
      if (problem !== undefined) yield wrong(place, problem);
      if (!is(vma, VMA_GUARD)) end = vma.end;
      if (!is(vma, VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_MEMFD)) continue;
      const mapped = files.get(Number(vma.shmid));
      if (mapped === undefined) yield wrong(place, `no file has the id ${vma.shmid}`);
      else if (mapped.type !== FdTypes.REG && mapped.type !== FdTypes.MEMFD) {
        yield strange(place, `maps a file of type ${typeName(mapped.type)}`);
      }
    }
  }
}

function* checkNumbers(mm: MmEntry, file: string): Generator<Finding> {
  const pairs = [
    ["mm_start_code", "mm_end_code"],
    ["mm_start_data", "mm_end_data"],
    ["mm_start_brk", "mm_brk"],
    ["mm_arg_start", "mm_arg_end"],
    ["mm_env_start", "mm_env_end"],
  ] as const;
  for (const [start, end] of pairs) {
    if (mm[start] > mm[end]) yield wrong({ file, record: 0, field: end }, `is below ${start}`);
  }
  if (mm.mm_saved_auxv.length % 2 !== 0) {
    yield wrong({ file, record: 0, field: "mm_saved_auxv" }, "an odd number of words, they come in pairs");
  }
}

/** `end`: where the mapping before it ended. */
function wrongBounds(vma: VmaEntry, end: bigint): string | undefined {
  const where = `0x${vma.start.toString(16)}-0x${vma.end.toString(16)}`;
  if (vma.start % PAGE !== 0n || vma.end % PAGE !== 0n) return `${where}: not whole pages`;
  if (vma.start >= vma.end) return `${where}: ends before it begins`;
  if (vma.end > ADDRESS_END && !is(vma, VMA_VSYSCALL)) return `${where}: beyond what a process can map`;
  if (vma.start < end && !is(vma, VMA_GUARD))
    return `${where}: overlaps the mapping before it, or is out of order`;
  return undefined;
}

function* checkPagemap(images: Images, name: PagemapName, streams: Map<number, string>): Generator<Finding> {
  const file = imageFileName(name);
  const records = images.read(name);
  if (images.damaged.has(file)) return;
  if (records.length === 0) {
    yield wrong({ file }, "a pagemap without its head");
    return;
  }
  let next = 0;
  let sound = true;
  for (const [index, record] of records.slice(1).entries()) {
    const { vaddr, compressed_size } = entryOf(record);
    const first = Number(vaddr / PAGE);
    const count = Number(pagesOf(entryOf(record)));
    const problem = vaddr % PAGE === 0n ? wrongRun(first, count, next) : "does not begin at a page";
    if (problem !== undefined) {
      sound = false;
      yield wrong({ file, record: index + 1 }, problem);
    }
    if (compressed_size.length > count) {
      yield wrong(
        { file, record: index + 1, field: "compressed_size" },
        `${compressed_size.length} sizes of ${count} pages`,
      );
    }
    if (flagsOf(entryOf(record)) === 0)
      yield wrong({ file, record: index + 1, field: "flags" }, "pages that are nowhere");
    next = first + count;
  }
  if (sound) {
    yield* checkStream(images, new PageIndex(records, file), file, streams);
  } else {
    images.damaged.add(file);
    streams.set(headOf(records, file).pages_id, file);
  }
}

/** The page stream of a pagemap has as many pages as it says, and no other pagemap has the same. */
function* checkStream(
  images: Images,
  index: PageIndex,
  file: string,
  streams: Map<number, string>,
): Generator<Finding> {
  const { pagesId, stored } = index;
  const place = { file, record: 0, field: "pages_id" };
  const pages = imageFileName({ kind: "PAGES", id: pagesId });
  const other = streams.get(pagesId);
  if (other !== undefined) yield wrong(place, `${other} has the same pages`);
  streams.set(pagesId, file);
  if (!images.checkpoint.reader.streams().includes(pagesId)) {
    if (stored > 0) yield wrong(place, `${pages} is missing`);
    return;
  }
  try {
    const { length } = images.checkpoint.pages(pagesId);
    if (length !== stored) yield wrong({ file: pages }, `${length} pages, but ${file} has ${stored}`);
  } catch (error) {
    // That it cannot be opened is said where the pages are read.
    if (!(error instanceof CriuWasmError)) throw error;
  }
}

/** Reads all pages: their checksums are compared on the way. */
function* checkPages(
  images: Images,
  id: number,
  file: string,
  progress: Progress,
): Generator<Finding | Progress> {
  try {
    const source = images.checkpoint.pages(id);
    for (let first = 0; first < source.length; first += READ_PAGES) {
      const count = Math.min(READ_PAGES, source.length - first);
      yield { ...progress };
      yield* readOrTell(images.checkpoint, id, first, count, file);
      progress.done += count;
    }
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    yield fromError(error, file);
  }
}

/** Pages that should be somewhere and are not; pages that belong to no mapping. */
function* checkContents(images: Images): Generator<Finding> {
  if (images.damaged.size > 0) return;
  for (const process of images.checkpoint.processes) {
    try {
      yield* checkProcess(images, process);
    } catch (error) {
      if (!(error instanceof CriuWasmError)) throw error;
      yield fromError(error, error.context.file ?? `pagemap-${process.pid}.img`);
    }
  }
}

function* checkProcess(images: Images, process: Process): Generator<Finding> {
  const name: PagemapName = { kind: "PAGEMAP", id: process.pid };
  if (!process.hasResources || !images.checkpoint.has(name)) return;
  const file = imageFileName(name);
  for (const { mapping, start, end, content } of process.memory.pieces()) {
    if (content.is !== "outside" || !content.missing) continue;
    const about = mapping.isShared ? `mm-${process.pid}.img` : file;
    yield wrong({ file: about }, `0x${start.toString(16)}-0x${end.toString(16)}: ${content.why}`);
  }
  const index = images.checkpoint.pageIndex(name);
  const mapped = process.mappings.filter(({ isShared, kind }) => !isShared && kind !== "guard");
  let at = 0;
  for (let run = 0; run < index.length; run++) {
    const { first, count, flags } = index.run(run);
    let start = BigInt(first) * PAGE;
    const end = start + BigInt(count) * PAGE;
    while (at < mapped.length && mapped[at].end <= start) at++;
    for (let next = at; next < mapped.length && mapped[next].start <= start && start < end; next++)
      start = mapped[next].end;
    if (start >= end) continue;
    const what = flags & PE_PRESENT ? "pages" : "pages of the parent";
    yield wrong(
      { file, record: run + 1 },
      `${what} from 0x${start.toString(16)} on are in no private mapping`,
    );
  }
}
