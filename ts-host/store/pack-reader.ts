/** Reading a page pack, of which pack-writer.ts is the other half. Runs wherever the core does. */
import { ImageError } from "../errors.ts";
import { sameBytes } from "../images/binary.ts";
import type { RandomFile } from "../images/source.ts";
import { MAX_REGION_PAGES } from "../wasm/pages.ts";
import { checksum, sha256 } from "../wasm/sums.ts";
import {
  checkHeader,
  decodeRegion,
  decodeTrailer,
  HEADER_SIZE,
  type PackSummary,
  type PlacedRegion,
  pagesInRegion,
  REGION_ENTRY,
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

  region(index: number): PlacedRegion {
    const block = Math.floor(index / TABLE_BLOCK);
    const first = block * TABLE_BLOCK;
    if (block !== this.#blockIndex) {
      const count = Math.min(TABLE_BLOCK, this.regionCount - first);
      const offset = this.#trailer.tableOffset + first * REGION_ENTRY;
      const bytes = this.#read(offset, count * REGION_ENTRY);
      if (checksum(bytes) !== this.#checksums.getBigUint64(block * 8, true))
        this.fail(`the table of regions is damaged, from region ${first} on`, offset);
      this.#block = new DataView(bytes.buffer);
      this.#blockIndex = block;
    }
    return decodeRegion(this.#block, first, index, this.#trailer, this.path);
  }

  /**
   * Regions from `index` on whose bytes lie one after the other in the file: at most `most`, and at least one; no
   * more of them than can be staged at once.
   */
  regionsFrom(index: number, most: number): PlacedRegion[] {
    const regions = [this.region(index)];
    const fitting = Math.min(most, Math.floor(MAX_REGION_PAGES / this.regionPages));
    while (regions.length < fitting) {
      const { offset, stored } = regions.at(-1)!;
      const next = this.region(index + regions.length);
      if (next.offset !== offset + stored) break;
      regions.push(next);
    }
    return regions;
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
