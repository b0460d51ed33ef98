/**
 * Compressed pages as CRIU 4.3 has them. The pages of a pagemap entry lie in the pages file as blocks, of one page
 * or of `region_pages` each, the last one shorter. `compressed_size` has a number for each: how many bytes of LZ4
 * it is; 0: its pages are zero; as many as its pages have: they are there as they are. An entry without
 * `compressed_size` is not compressed.
 */
import { ImageError } from "../errors.ts";
import type { PagemapEntry, PagemapHead } from "../generated/messages.ts";
import { BlockCodec, PAGE_SIZE } from "../wasm/pages.ts";
import type { DrainPages, ImageRecord, PageSource } from "./checkpoint.ts";
import { flagsOf, PE_PRESENT, pagesOf } from "./pagemap-entry.ts";
import type { RandomFile } from "./source.ts";

/** Most pages in a block: 4 MiB. */
export const MAX_BLOCK_PAGES = 1024;

/** Blocks that are compressed between two moments at which the work can be interrupted. */
const BLOCKS_A_STEP = 256;

export type PagemapRecord = ImageRecord<"PAGEMAP" | "SHMEM_PAGEMAP">;

/** The head of a pagemap, and the entries whose pages lie in the pages file. */
export function partsOf(records: readonly PagemapRecord[]): {
  pagesId: number | undefined;
  present: PagemapEntry[];
} {
  const [head, ...entries] = records.map(({ message }) => message);
  const present = (entries as PagemapEntry[]).filter(isPresent);
  return { pagesId: (head as PagemapHead | undefined)?.pages_id, present };
}

function isPresent(entry: PagemapEntry): boolean {
  return (flagsOf(entry) & PE_PRESENT) !== 0;
}

export function isCompressed({ compressed_size }: PagemapEntry): boolean {
  return compressed_size.length > 0;
}

/** The entry as it is where pages are not compressed. */
export function withoutCompression(entry: PagemapEntry): PagemapEntry {
  const { total_compressed_size, region_pages, ...plain } = entry;
  return { ...plain, compressed_size: [] };
}

/** The blocks of one entry. */
interface Run {
  /** The page of the stream that it begins with, and pages in it. */
  first: number;
  pages: number;
  blockPages: number;
  /** Where each block begins in the file, and where the last one ends. */
  offsets: Float64Array;
}

function runOf(entry: PagemapEntry, first: number, offset: number, { path: file, length }: RandomFile): Run {
  const pages = Number(pagesOf(entry));
  const blockPages = isCompressed(entry) ? entry.region_pages || 1 : Math.min(pages, MAX_BLOCK_PAGES);
  const fail = (message: string): never => {
    throw new ImageError(`entry at 0x${entry.vaddr.toString(16)}: ${message}`, { file });
  };
  if (blockPages > MAX_BLOCK_PAGES) fail(`blocks of ${blockPages} pages are not supported`);
  if (!isCompressed(entry) && offset + pages * PAGE_SIZE > length) fail(`${pages} pages are not in the file`);
  const count = Math.ceil(pages / blockPages) || 0;
  const sizes = isCompressed(entry) ? entry.compressed_size : undefined;
  if (sizes && sizes.length !== count) fail(`${sizes.length} sizes of ${count} blocks`);
  const offsets = new Float64Array(count + 1);
  offsets[0] = offset;
  for (let block = 0; block < count; block++) {
    const whole = Math.min(blockPages, pages - block * blockPages) * PAGE_SIZE;
    const size = sizes === undefined ? whole : sizes[block];
    if (size > whole) fail(`block ${block}: ${size} bytes are more than the ${whole} of its pages`);
    offsets[block + 1] = offsets[block] + size;
  }
  const total = offsets[count] - offset;
  if (entry.total_compressed_size !== undefined && Number(entry.total_compressed_size) !== total)
    fail(`blocks of ${total} bytes, but ${entry.total_compressed_size} in all`);
  return { first, pages, blockPages, offsets };
}

/** Reads the pages of a stream of which some entries, or all, are compressed. */
export class CompressedSource implements PageSource {
  readonly length: number;
  readonly #file: RandomFile;
  readonly #runs: Run[] = [];
  readonly #codec: BlockCodec;
  /** The run and block whose pages the codec holds. */
  #held: { run: Run; block: number } | undefined;

  /** Takes the file over; `present`: the entries whose pages are in it. */
  constructor(file: RandomFile, present: readonly PagemapEntry[]) {
    this.#file = file;
    let first = 0;
    let offset = 0;
    try {
      for (const entry of present) {
        const run = runOf(entry, first, offset, file);
        if (run.pages > 0) this.#runs.push(run);
        first += run.pages;
        offset = run.offsets.at(-1)!;
      }
      if (offset !== file.length) {
        const message = `${file.length} bytes, but the pagemap has blocks of ${offset}`;
        throw new ImageError(message, { file: file.path });
      }
    } catch (error) {
      file.close();
      throw error;
    }
    this.length = first;
    this.#codec = new BlockCodec(Math.max(1, ...this.#runs.map(({ blockPages }) => blockPages)));
  }

  read(first: number, count: number, drain: DrainPages): void {
    if (first < 0 || count < 0 || first + count > this.length) {
      const message = `pages ${first} to ${first + count - 1} are not in the file of ${this.length} pages`;
      throw new ImageError(message, { file: this.#file.path });
    }
    for (let page = first; page < first + count; ) {
      const run = this.#runAt(page);
      const inRun = page - run.first;
      const block = Math.floor(inRun / run.blockPages);
      const from = inRun - block * run.blockPages;
      const end = Math.min(run.first + Math.min((block + 1) * run.blockPages, run.pages), first + count);
      this.#hold(run, block);
      drain(this.#codec.pages(from, end - page), (page - first) * PAGE_SIZE);
      page = end;
    }
  }

  #runAt(page: number): Run {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#runs[middle].first <= page) low = middle;
      else high = middle - 1;
    }
    return this.#runs[low];
  }

  #hold(run: Run, block: number): void {
    if (this.#held?.run === run && this.#held.block === block) return;
    this.#held = undefined;
    const [offset, end] = run.offsets.subarray(block, block + 2);
    const pages = Math.min(run.blockPages, run.pages - block * run.blockPages);
    this.#file.read(this.#codec.stage(end - offset, pages), offset);
    if (!this.#codec.open(end - offset, pages)) {
      const first = run.first + block * run.blockPages;
      throw new ImageError(`pages ${first} to ${first + pages - 1}: malformed LZ4 block`, {
        file: this.#file.path,
        offset,
      });
    }
    this.#held = { run, block };
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * Compresses the pages of a stream, entry by entry: answers the entries as they then are, and hands the blocks to
 * `write`, in order; yields how many pages are done. Pages come from `source`, as many as the entries that are present have.
 */
export function* compressEntries(
  entries: readonly PagemapEntry[],
  source: PageSource,
  blockPages: number,
  write: (bytes: Uint8Array) => void,
): Generator<number, PagemapEntry[]> {
  const codec = new BlockCodec(blockPages);
  let next = 0;
  const compressed: PagemapEntry[] = [];
  for (const entry of entries) {
    const count = Number(pagesOf(entry));
    if (!isPresent(entry) || count === 0) {
      compressed.push(entry);
      continue;
    }
    const end = next + count;
    const sizes: number[] = [];
    for (; next < end; next = Math.min(next + blockPages, end)) {
      if (sizes.length % BLOCKS_A_STEP === 0) yield next;
      const pages = Math.min(blockPages, end - next);
      source.read(next, pages, (view, offset) => codec.pages(0, pages).set(view, offset));
      const block = codec.seal(pages);
      sizes.push(block.length);
      write(block);
    }
    const total_compressed_size = sizes.reduce((sum, size) => sum + BigInt(size), 0n);
    const region = blockPages > 1 ? { region_pages: blockPages } : {};
    compressed.push({
      ...withoutCompression(entry),
      compressed_size: sizes,
      total_compressed_size,
      ...region,
    });
  }
  return compressed;
}
