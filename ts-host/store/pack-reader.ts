/** Reading a page pack, of which page-pack.ts is the other half. Runs wherever the core does. */
import { ImageError } from "../errors.ts";
import { BinaryReader, sameBytes } from "../images/binary.ts";
import type { DrainPages, PageSource } from "../images/checkpoint.ts";
import type { RandomFile } from "../images/source.ts";
import {
  checksum,
  MAX_REGION_PAGES,
  PAGE_SIZE,
  PageUnpacker,
  REGION_SLOTS,
  ZERO_PAGE,
} from "../wasm/pages.ts";
import type { IndexBlock, PageTable, StreamTable } from "./page-table.ts";
import { EXTENT_SIZE, pagesInRegion } from "./page-table.ts";

export const MAGIC = new TextEncoder().encode("CRIUPACK");
export const VERSION = 1;
/** magic, u16 version, u16 0, u32 page size, 16 bytes id of the checkpoint, u64 XXH64 of all before. */
export const HEADER_SIZE = 40;

/** Reads a pack; every region and block is checked before its content is used. */
export class PackReader {
  readonly #file: RandomFile;
  readonly #table: PageTable;
  readonly #unpacker = new PageUnpacker();
  /** Which slot of the unpacker holds which region; the first was used longest ago. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots = Array.from({ length: REGION_SLOTS }, (_, slot) => slot);

  constructor(file: RandomFile, checkpointId: Uint8Array, table: PageTable) {
    this.#table = table;
    this.#file = file;
    try {
      this.#checkHeader(checkpointId);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  #checkHeader(checkpointId: Uint8Array): void {
    const file = this.#file.path;
    if (this.#file.length !== this.#table.packSize) {
      const message = `${this.#file.length} bytes, but its checkpoint has written ${this.#table.packSize}`;
      throw new ImageError(message, { file });
    }
    const header = new Uint8Array(HEADER_SIZE);
    this.#file.read(header, 0);
    const from = new BinaryReader(header, file, 0);
    if (!sameBytes(from.bytes(8), MAGIC)) from.fail("not a page pack: wrong magic", 0);
    const version = from.u16();
    from.u16();
    from.u32();
    const id = from.bytes(16);
    if (from.u64() !== checksum(header.subarray(0, HEADER_SIZE - 8))) from.fail("the header is damaged", 0);
    if (version !== VERSION) from.fail(`version ${version} is not known, only ${VERSION}`, 0);
    if (!sameBytes(id, checkpointId)) from.fail("belongs to another checkpoint", 0);
  }

  /** Path of the pack file. */
  get path(): string {
    return this.#file.path;
  }

  stream(table: StreamTable): PageSource {
    return new StreamReader(table, this);
  }

  /** The extents of a block, pairs of numbers. */
  readBlock(stream: StreamTable, index: number): Uint32Array {
    const block = stream.blocks[index];
    const bytes = new Uint8Array(block.extents * EXTENT_SIZE);
    this.#file.read(bytes, block.offset);
    const about = `index of page stream ${stream.id}, from page ${block.first} on`;
    if (checksum(bytes) !== block.checksum) this.#damaged(about, block.offset, "checksum differs");
    const extents = new Uint32Array(bytes.buffer);
    const wrong = this.#wrongExtents(stream, index, extents);
    if (wrong !== undefined) this.#damaged(about, block.offset, wrong);
    return extents;
  }

  /** Number of pages of a stream that are zero, and not in the pack. */
  zeroPages(stream: StreamTable): number {
    let pages = 0;
    for (let index = 0; index < stream.blocks.length; index++) {
      const extents = this.readBlock(stream, index);
      for (let at = 0; at < extents.length; at += 2) if (extents[at + 1] === ZERO_PAGE) pages += extents[at];
    }
    return pages;
  }

  /** Block contents can be forged together with their checksums: every number is checked against the table. */
  #wrongExtents(stream: StreamTable, index: number, extents: Uint32Array): string | undefined {
    let pages = 0;
    for (let at = 0; at < extents.length; at += 2) {
      const count = extents[at];
      const page = extents[at + 1];
      if (count === 0) return "an extent without pages";
      if (page !== ZERO_PAGE && page + count > this.#table.length)
        return `there is no page ${page + count - 1}`;
      pages += count;
    }
    const expected = (stream.blocks[index + 1]?.first ?? stream.length) - stream.blocks[index].first;
    return pages === expected ? undefined : `${pages} pages instead of ${expected}`;
  }

  #damaged(about: string, offset: number, wrong: string): never {
    throw new ImageError(`${about}: ${wrong}`, { file: this.#file.path, offset });
  }

  /** Hands out `count` pages from page `page` of the pack on, or as many as lie in one region; answers how many. */
  drainFrom(page: number, count: number, drain: (view: Uint8Array) => void): number {
    if (page === ZERO_PAGE) {
      const pages = Math.min(count, MAX_REGION_PAGES);
      drain(this.#unpacker.zeros(pages));
      return pages;
    }
    const { regionPages } = this.#table;
    const region = Math.floor(page / regionPages);
    const first = page % regionPages;
    const pages = Math.min(count, regionPages - first);
    drain(this.#unpacker.pages(this.#slotOf(region), first, pages));
    return pages;
  }

  #slotOf(index: number): number {
    let slot = this.#slots.get(index);
    if (slot === undefined) {
      if (this.#freeSlots.length === 0) this.#dropOldest();
      slot = this.#freeSlots.at(-1)!;
      this.#load(index, slot);
      this.#freeSlots.pop();
    }
    this.#slots.delete(index);
    this.#slots.set(index, slot);
    return slot;
  }

  #dropOldest(): void {
    const oldest = this.#slots.entries().next().value!;
    this.#slots.delete(oldest[0]);
    this.#freeSlots.push(oldest[1]);
  }

  #load(index: number, slot: number): void {
    const region = this.#table.regions[index];
    this.#file.read(this.#unpacker.stage(slot, region), region.offset);
    const pages = pagesInRegion(this.#table, index);
    const wrong = this.#unpacker.open(slot, region, pages * PAGE_SIZE);
    if (wrong === undefined) return;
    const first = index * this.#table.regionPages;
    this.#damaged(`pages ${first} to ${first + pages - 1} of the pack`, region.offset, wrong);
  }

  close(): void {
    this.#file.close();
  }
}

/** Number of the last of `blocks` that begins at or before `page`. */
function blockOf(blocks: IndexBlock[], page: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (blocks[middle].first <= page) low = middle;
    else high = middle - 1;
  }
  return low;
}

class StreamReader implements PageSource {
  readonly #table: StreamTable;
  readonly #pack: PackReader;
  #block = -1;
  #extents: Uint32Array = new Uint32Array(0);
  /** The extent that was read last, and the page of the stream that it begins with. */
  #at = 0;
  #extentFirst = 0;

  constructor(table: StreamTable, pack: PackReader) {
    this.#table = table;
    this.#pack = pack;
  }

  get length(): number {
    return this.#table.length;
  }

  read(first: number, count: number, drain: DrainPages): void {
    const end = first + count;
    if (first < 0 || count < 0 || end > this.length) {
      const { id, length } = this.#table;
      throw new ImageError(`pages ${first} to ${end - 1} are not in page stream ${id} of ${length} pages`, {
        file: this.#pack.path,
      });
    }
    for (let page = first; page < end; ) {
      this.#seek(page);
      const extentEnd = this.#extentFirst + this.#extents[this.#at];
      const packed = this.#extents[this.#at + 1];
      const from = packed === ZERO_PAGE ? ZERO_PAGE : packed + (page - this.#extentFirst);
      page += this.#pack.drainFrom(from, Math.min(end, extentEnd) - page, (view) =>
        drain(view, (page - first) * PAGE_SIZE),
      );
    }
  }

  /** Makes the extent that holds `page` the current one. */
  #seek(page: number): void {
    const { blocks } = this.#table;
    const index = blockOf(blocks, page);
    if (index !== this.#block) {
      this.#block = -1;
      this.#extents = this.#pack.readBlock(this.#table, index);
      this.#block = index;
      this.#at = 0;
      this.#extentFirst = blocks[index].first;
    } else if (page < this.#extentFirst) {
      this.#at = 0;
      this.#extentFirst = blocks[index].first;
    }
    while (page >= this.#extentFirst + this.#extents[this.#at]) {
      this.#extentFirst += this.#extents[this.#at];
      this.#at += 2;
    }
  }
}
