/** Reading a page pack, of which pack-writer.ts is the other half. Runs wherever the core does. */
import { ImageError } from "../errors.ts";
import { sameBytes } from "../images/binary.ts";
import type { RandomFile } from "../images/source.ts";
import { PAGE_SIZE, REGION_ENTRY, type RegionRows } from "../wasm/pages.ts";
import { checksum, sha256 } from "../wasm/sums.ts";
import {
  checkHeader,
  decodeRegion,
  decodeTrailer,
  HEADER_SIZE,
  type PackSummary,
  type PlacedRegion,
  pagesInRegion,
  TABLE_BLOCK,
  TRAILER_SIZE,
  type Trailer,
  tableBlocks,
} from "./pack-format.ts";

/** A pack file; of the table of its regions, one block is held at a time. */
export class PackFile {
  readonly #file: RandomFile;
  readonly #trailer: Trailer;
  /** A checksum of each block of the table. */
  readonly #checksums: DataView;
  #block: DataView = new DataView(new ArrayBuffer(0));
  #blockIndex = -1;

  /** Takes the file over: it is closed with the pack, and when the pack is not as `expected`. */
  constructor(file: RandomFile, expected: PackSummary) {
    this.#file = file;
    try {
      const header = this.#read(0, Math.min(HEADER_SIZE, file.length));
      if (header.length < HEADER_SIZE) this.fail("the file ends too early", header.length);
      checkHeader(header, file.path, expected.id);
      if (file.length < HEADER_SIZE + TRAILER_SIZE) this.fail("the file ends too early", file.length);
      const trailerOffset = file.length - TRAILER_SIZE;
      const trailer = this.#read(trailerOffset, TRAILER_SIZE);
      this.#trailer = decodeTrailer(trailer, file.path, file.length);
      if (this.#trailer.length !== expected.length)
        this.fail(`${this.#trailer.length} pages, its checkpoint says ${expected.length}`, trailerOffset);
      const size = tableBlocks(this.#trailer.regionCount) * 8;
      const end = this.#read(trailerOffset - size, size + TRAILER_SIZE);
      if (!sameBytes(sha256(end), expected.digest))
        this.fail(
          "is not as its checkpoint has left it: the table of regions is another",
          trailerOffset - size,
        );
      this.#checksums = new DataView(end.buffer, 0, size);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#file.read(bytes, offset);
    return bytes;
  }

  get path(): string {
    return this.#file.path;
  }

  get regionCount(): number {
    return this.#trailer.regionCount;
  }

  get regionPages(): number {
    return this.#trailer.regionPages;
  }

  pagesInRegion(index: number): number {
    return pagesInRegion(this.#trailer, index);
  }

  /** Where the regions end. */
  get regionsEnd(): number {
    return this.#trailer.tableOffset;
  }

  region(index: number): PlacedRegion {
    const { block, first } = this.#blockWith(index);
    return decodeRegion(block, first, index, this.#trailer, this.path);
  }

  /** The rows of region `index` and of those after it, at most `most` and no more than are in one block. */
  rows(index: number, most: number): RegionRows {
    const { block, first } = this.#blockWith(index);
    const from = (index - first) * REGION_ENTRY;
    const count = Math.min(most, (block.byteLength - from) / REGION_ENTRY);
    return {
      rows: new Uint8Array(block.buffer, from, count * REGION_ENTRY),
      size: this.regionPages * PAGE_SIZE,
      length: this.#bytesOf(index, count),
    };
  }

  /** How many regions from `index` on have no more than `pages` pages together. */
  wholeRegions(index: number, pages: number): number {
    const isToEnd = index * this.regionPages + pages >= this.#trailer.length;
    return isToEnd ? this.regionCount - index : Math.floor(pages / this.regionPages);
  }

  /** Where `count` regions from `index` on, which adjoin, lie in the file, and the bytes of pages in them. */
  extent(index: number, count: number): { offset: number; stored: number; length: number } {
    const first = this.region(index);
    const last = count === 1 ? first : this.region(index + count - 1);
    const stored = last.offset + last.stored - first.offset;
    return { offset: first.offset, stored, length: this.#bytesOf(index, count) };
  }

  /** Bytes of pages in `count` regions from `index` on. */
  #bytesOf(index: number, count: number): number {
    return ((count - 1) * this.regionPages + this.pagesInRegion(index + count - 1)) * PAGE_SIZE;
  }

  /** The block of the table that region `index` is in, and the first region in it. */
  #blockWith(index: number): { block: DataView; first: number } {
    const number = Math.floor(index / TABLE_BLOCK);
    const first = number * TABLE_BLOCK;
    if (number === this.#blockIndex) return { block: this.#block, first };
    const count = Math.min(TABLE_BLOCK, this.regionCount - first);
    const offset = this.#trailer.tableOffset + first * REGION_ENTRY;
    const bytes = this.#read(offset, count * REGION_ENTRY);
    if (checksum(bytes) !== this.#checksums.getBigUint64(number * 8, true))
      this.fail(`the table of regions is damaged, from region ${first} on`, offset);
    this.#block = new DataView(bytes.buffer);
    this.#blockIndex = number;
    return { block: this.#block, first };
  }

  /** Bytes that the regions take. */
  storedBytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.regionCount; index++) bytes += this.region(index).stored;
    return bytes;
  }

  /** Fills `into` from byte `offset` of the file on. */
  read(into: Uint8Array, offset: number): void {
    this.#file.read(into, offset);
  }

  fail(message: string, offset: number): never {
    throw new ImageError(message, { file: this.#file.path, offset });
  }

  close(): void {
    this.#file.close();
  }
}
