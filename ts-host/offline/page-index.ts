/** One pagemap as a table that is searched: which pages of an address space, or of a shared object, are where. */
import { ImageError } from "../errors.ts";
import type { PagemapEntry, PagemapHead } from "../generated/messages.ts";
import type { CheckpointReader, ImageName, ImageRecord } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { flagsOf, PE_PRESENT, pagesOf } from "../images/pagemap-entry.ts";

export const PAGE_SIZE = 4096;
const PAGE_BITS = 12n;
/** The end of what 64 bits can address, in pages. */
const ADDRESS_PAGES = 2 ** 52;

/** A run of pages that one entry of a pagemap stands for; page numbers are addresses divided by PAGE_SIZE. */
export interface PageRun {
  first: number;
  count: number;
  flags: number;
  /** Number of the first page in the page stream, where PE_PRESENT is set. */
  inStream: number;
}

/** The entry proper of a pagemap's record other than the first. */
export function entryOf(record: ImageRecord): PagemapEntry {
  return record.message as PagemapEntry;
}

/** The head of a pagemap. @throws ImageError where it has none */
export function headOf(records: readonly ImageRecord[], file: string): PagemapHead {
  if (records.length === 0) throw new ImageError("a pagemap without its head", { file });
  return records[0].message as PagemapHead;
}

export class PageIndex {
  /** The page stream that holds the pages. */
  readonly pagesId: number;
  /** Pages with PE_PRESENT: the length that the stream should have. */
  readonly stored: number;
  /** Pages of all entries. */
  readonly pages: number;
  readonly #first: Float64Array;
  readonly #count: Float64Array;
  readonly #flags: Uint32Array;
  readonly #inStream: Float64Array;

  /** @throws ImageError where entries overlap, are out of order, or are beyond all addresses */
  constructor(records: readonly ImageRecord[], file: string) {
    this.pagesId = headOf(records, file).pages_id;
    const length = records.length - 1;
    this.#first = new Float64Array(length);
    this.#count = new Float64Array(length);
    this.#flags = new Uint32Array(length);
    this.#inStream = new Float64Array(length);
    let next = 0;
    let stored = 0;
    let pages = 0;
    for (let index = 0; index < length; index++) {
      const entry = entryOf(records[index + 1]);
      const first = Number(entry.vaddr >> PAGE_BITS);
      const count = Number(pagesOf(entry));
      const flags = flagsOf(entry);
      const wrong = wrongRun(first, count, next);
      if (wrong !== undefined) throw new ImageError(wrong, { file, record: index + 1 });
      this.#first[index] = first;
      this.#count[index] = count;
      this.#flags[index] = flags;
      this.#inStream[index] = stored;
      if (flags & PE_PRESENT) stored += count;
      pages += count;
      next = first + count;
    }
    this.stored = stored;
    this.pages = pages;
  }

  static read(reader: CheckpointReader, name: ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">): PageIndex {
    return new PageIndex(reader.read(name), imageFileName(name));
  }

  /** Number of runs. */
  get length(): number {
    return this.#first.length;
  }

  run(index: number): PageRun {
    return {
      first: this.#first[index],
      count: this.#count[index],
      flags: this.#flags[index],
      inStream: this.#inStream[index],
    };
  }

  /** The parts of the runs that lie in `count` pages from page `first` on, in order. */
  *within(first: number, count: number): Generator<PageRun> {
    const end = first + count;
    for (let index = this.#indexOf(first); index < this.length; index++) {
      const run = this.run(index);
      if (run.first >= end) return;
      const skipped = Math.max(0, first - run.first);
      const last = Math.min(end, run.first + run.count);
      yield {
        first: run.first + skipped,
        count: last - run.first - skipped,
        flags: run.flags,
        inStream: run.inStream + skipped,
      };
    }
  }

  /** Index of the first run that ends after `page`. */
  #indexOf(page: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#first[middle] + this.#count[middle] <= page) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What is wrong with a run that is to begin at or after page `next`. */
export function wrongRun(first: number, count: number, next: number): string | undefined {
  if (count === 0) return "an entry without pages";
  if (first + count > ADDRESS_PAGES) return `${count} pages from 0x${first.toString(16)}000 on are too many`;
  if (first < next) return `overlaps the entry before it, or is out of order`;
  return undefined;
}
