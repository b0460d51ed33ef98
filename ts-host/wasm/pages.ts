/**
 * The page path of the core: memory pages -> regions of a pack and back. Each packer and unpacker has an
 * instance of the core to itself. Views on its memory hold until the next call of the same object.
 */
import { randomBytes, Zstd } from "#platform";
import { Core } from "./core.ts";

export const PAGE_SIZE = 4096;
/** Pages that a packer takes at once: 256 KiB, so that they stay in a cache of the processor until they are compressed. */
export const CHUNK_PAGES = 64;
/** Most pages in a region of a pack: 256 KiB. */
export const MAX_REGION_PAGES = 64;
/** The first page of an extent whose pages are all zero. */
export const ZERO_PAGE = 0xffffffff;
/** Bytes of the secret that the hash of pages needs. */
export const HASH_KEY_SIZE = PAGE_SIZE + 64;
/** Bytes of a hash. */
export const HASH_SIZE = 24;

/** How a region is stored; the numbers are those of the file. */
export const AS_IT_IS = 0;
export const LZ4 = 1;
export const ZSTD = 2;

/** How regions are compressed where that pays. */
export type Method = "lz4" | "zstd";

/** A region as it lies in a pack. */
export interface StoredRegion {
  /** Bytes in the pack. */
  stored: number;
  encoding: number;
  /** XXH64 of those bytes. */
  checksum: bigint;
}

/** A secret for a packer: whoever makes the pages must not know it. */
export function newHashKey(): Uint8Array {
  return randomBytes(HASH_KEY_SIZE);
}

const MOST_REGION_BYTES = MAX_REGION_PAGES * PAGE_SIZE;

/** Compresses regions, each independent of all others. */
export class RegionSealer {
  readonly core = Core.load();
  readonly #zstd: Zstd | undefined;
  readonly #input: number;
  readonly #inputSize: number;
  readonly #output: number;
  #used = 0;

  /** `capacity`: bytes of pages that are sealed, at most, before `clear`. */
  constructor(capacity: number, method: Method) {
    this.#zstd = method === "zstd" ? new Zstd(MOST_REGION_BYTES) : undefined;
    this.#inputSize = Math.min(capacity, MOST_REGION_BYTES);
    this.#input = this.core.allocate(this.#inputSize);
    this.#output = this.core.allocate(this.core.exports.lz4Bound(capacity));
  }

  /** Where the pages of a region may be put for `sealInput`. */
  get input(): Uint8Array {
    return this.core.view(this.#input, this.#inputSize);
  }

  /** Compresses `length` bytes of the input: the only region of the output. */
  sealInput(length: number): StoredRegion {
    this.clear();
    return this.seal(this.#input, length);
  }

  /** Appends a region, whose pages lie in the core's memory at `pages`, to the output, compressed if that pays. */
  seal(pages: number, length: number): StoredRegion {
    const region = this.#zstd ? this.#sealByZstd(this.#zstd, pages, length) : this.#sealByLz4(pages, length);
    this.#used += region.stored;
    return region;
  }

  #sealByLz4(pages: number, length: number): StoredRegion {
    const { sealRegion, sealedEncoding, sealedChecksum } = this.core.exports;
    const stored = sealRegion(pages, length, this.#output + this.#used);
    return { stored, encoding: sealedEncoding(), checksum: BigInt.asUintN(64, sealedChecksum()) };
  }

  /** As it is unless compression saves a sixteenth, as the core does it. */
  #sealByZstd(zstd: Zstd, pages: number, length: number): StoredRegion {
    const at = this.#output + this.#used;
    const source = this.core.view(pages, length);
    const compressed = zstd.compress(source, this.core.view(at, length - (length >> 4) - 1));
    if (compressed === undefined) this.core.view(at, length).set(source);
    const stored = compressed ?? length;
    const checksum = BigInt.asUintN(64, this.core.exports.xxh64(at, stored, 0n));
    return { stored, encoding: compressed === undefined ? AS_IT_IS : ZSTD, checksum };
  }

  /** The regions since the last `clear`, one after the other. */
  get output(): Uint8Array {
    return this.core.view(this.#output, this.#used);
  }

  clear(): void {
    this.#used = 0;
  }
}

/** Leaves out zero pages and those that are known; gathers the others until they are sealed. */
export class PagePacker {
  readonly #sealer: RegionSealer;
  readonly #core: Core;

  /** `key`: a secret of HASH_KEY_SIZE bytes. The first new page gets the number `first`. */
  constructor(key: Uint8Array, first: number, method: Method) {
    this.#sealer = new RegionSealer((CHUNK_PAGES + MAX_REGION_PAGES) * PAGE_SIZE, method);
    this.#core = this.#sealer.core;
    this.#core.view(this.#core.exports.hashKey(), HASH_KEY_SIZE).set(key);
    this.#core.exports.beginPack(first);
  }

  /** Makes pages known that are there already, numbered from `first` on; by their hashes under the same key. */
  addKnown(hashes: Uint8Array, first: number): void {
    const { exports } = this.#core;
    const piece = CHUNK_PAGES * HASH_SIZE;
    for (let at = 0; at < hashes.length; at += piece) {
      const part = hashes.subarray(at, at + piece);
      this.#core.view(exports.packHashes(), part.length).set(part);
      exports.addKnownPages(exports.packHashes(), part.length / HASH_SIZE, first + at / HASH_SIZE);
    }
  }

  /** Where the next `count` pages (at most CHUNK_PAGES) are to be put, straight in the core's memory. */
  input(count: number): Uint8Array {
    return this.#core.view(this.#core.exports.packInput(), count * PAGE_SIZE);
  }

  /**
   * Packs the `count` pages of the input. Answers where they are: pairs of a count and the number of the first,
   * or ZERO_PAGE. Undefined when there are no more numbers, at 16 TiB.
   */
  pack(count: number): Uint32Array | undefined {
    const { exports } = this.#core;
    if (!exports.packPages(count)) return undefined;
    return new Uint32Array(exports.memory.buffer, exports.packExtents(), exports.packExtentCount() * 2);
  }

  /** Hashes of the new pages of the last chunk. */
  get hashes(): Uint8Array {
    const { exports } = this.#core;
    return this.#core.view(exports.packHashes(), exports.packAddedPages() * HASH_SIZE);
  }

  /** New pages that are not sealed yet. */
  get freshPages(): number {
    return this.#core.exports.packFreshPages();
  }

  /** `count` new pages from the one with index `at` on. */
  fresh(at: number, count: number): Uint8Array {
    return this.#core.view(this.#core.exports.packFresh() + at * PAGE_SIZE, count * PAGE_SIZE);
  }

  /** Compresses `count` new pages from the one with index `at` on, into the output. */
  seal(at: number, count: number): StoredRegion {
    return this.#sealer.seal(this.#core.exports.packFresh() + at * PAGE_SIZE, count * PAGE_SIZE);
  }

  /** Leaves them as they are. */
  leave(at: number, count: number): StoredRegion {
    const { exports } = this.#core;
    const stored = count * PAGE_SIZE;
    const checksum = exports.xxh64(exports.packFresh() + at * PAGE_SIZE, stored, 0n);
    return { stored, encoding: AS_IT_IS, checksum: BigInt.asUintN(64, checksum) };
  }

  /** The first `count` new pages are done with, and so is the output. */
  take(count: number): void {
    this.#core.exports.packTake(count);
    this.#sealer.clear();
  }

  /** The regions that were sealed since the last `take`, one after the other. */
  get output(): Uint8Array {
    return this.#sealer.output;
  }
}

/** Hashes of pages, as a packer with the same key makes them. */
export class PageHasher {
  readonly #core = Core.load();
  readonly #pages = this.#core.allocate(MAX_REGION_PAGES * PAGE_SIZE);
  readonly #hashes = this.#core.allocate(MAX_REGION_PAGES * HASH_SIZE);

  constructor(key: Uint8Array) {
    this.#core.view(this.#core.exports.hashKey(), HASH_KEY_SIZE).set(key);
  }

  /** Of at most MAX_REGION_PAGES pages. */
  hashes(pages: Uint8Array): Uint8Array {
    this.#core.view(this.#pages, pages.length).set(pages);
    const count = pages.length / PAGE_SIZE;
    this.#core.exports.pageHashes(this.#pages, count, this.#hashes);
    return this.#core.view(this.#hashes, count * HASH_SIZE);
  }
}

/** Regions that an unpacker keeps decompressed, for pages that are wanted one by one: 4 MiB at most. */
export const REGION_SLOTS = 16;
/** Pages that an unpacker reads and opens at once: 2 MiB. */
export const GATHERED_PAGES = 512;
const SLOT_SIZE = MOST_REGION_BYTES;

/** Bytes of a region's row in the table: u64 offset, u32 bytes stored, u32 encoding, u64 XXH64 of these bytes. */
export const REGION_ENTRY = 24;

/** Regions of a pack, one after the other in its table. */
export interface RegionRows {
  /** Their rows. */
  rows: Uint8Array;
  /** Bytes of pages in each of them but the last, and in all of them. */
  size: number;
  length: number;
}

/** Most regions that are opened at once. */
const MOST_ROWS = GATHERED_PAGES;

/** Opens regions of packs, into slots, to where their pages are gathered, or anywhere else in its core's memory. */
export class PageUnpacker {
  readonly core = Core.load();
  readonly #stage = this.core.allocate(GATHERED_PAGES * PAGE_SIZE);
  readonly #slots = this.core.allocate(REGION_SLOTS * SLOT_SIZE);
  readonly #rows = this.core.allocate(MOST_ROWS * REGION_ENTRY);
  /** Where pages are gathered that are wanted nowhere else. */
  readonly gathering = this.core.allocate(GATHERED_PAGES * PAGE_SIZE);
  /** Where the next region lies that is to be opened. */
  #staged = this.#stage;
  #zstd: Zstd | undefined;

  /** Where a slot is. */
  slot(number: number): number {
    return this.#slots + number * SLOT_SIZE;
  }

  /**
   * How many of the regions can be opened at once: they lie one after the other, as their rows may have them in a
   * file whose regions end at `end`. None: the first row is wrong.
   */
  adjoining({ rows, size, length }: RegionRows, end: number): number {
    this.core.view(this.#rows, rows.length).set(rows);
    return this.core.exports.adjoiningRegions(this.#rows, size, length, BigInt(end));
  }

  /**
   * Where the `stored` bytes of regions, one after the other, are to be put that are to be opened to `length` bytes
   * at `to`: straight there where all of them are stored as they are.
   */
  stage(to: number, stored: number, length: number): Uint8Array {
    this.#staged = stored === length ? to : this.#stage;
    return this.core.view(this.#staged, stored);
  }

  /**
   * Opens the regions that are staged, the first of those that `adjoining` has looked at last, to `length` bytes at
   * `to`, all at once; false where they have to be opened one by one, since something is wrong or they are of zstd.
   */
  openAll(to: number, size: number, length: number): boolean {
    return this.core.exports.openRegions(this.#rows, size, length, this.#staged, to) !== 0;
  }

  /**
   * Checks and decompresses the first region of those that are staged to `length` bytes at `to`; the next one is
   * then the first. Answers what is wrong, if something is.
   */
  open(to: number, region: StoredRegion, length: number): string | undefined {
    const { stored, encoding, checksum } = region;
    const from = this.#staged;
    this.#staged += stored;
    if (encoding === ZSTD) return this.#openByZstd(from, to, region, length);
    const answer = this.core.exports.openRegion(from, stored, encoding, checksum, to, length);
    return [undefined, "checksum differs", "malformed LZ4 block"][answer];
  }

  #openByZstd(
    from: number,
    to: number,
    { stored, checksum }: StoredRegion,
    length: number,
  ): string | undefined {
    const found = this.core.exports.xxh64(from, stored, 0n);
    if (BigInt.asUintN(64, found) !== checksum) return "checksum differs";
    this.#zstd ??= new Zstd(MOST_REGION_BYTES);
    const [source, target] = [this.core.view(from, stored), this.core.view(to, length)];
    return this.#zstd.decompress(source, target) ? undefined : "malformed zstd frame";
  }

  /** Copies `count` pages of a slot, from number `first` of the region on. */
  copy(to: number, slot: number, first: number, count: number): void {
    this.core.exports.copyPages(to, this.slot(slot) + first * PAGE_SIZE, count);
  }

  clear(to: number, count: number): void {
    this.core.exports.clearPages(to, count);
  }
}

/** Blocks of pages as CRIU compresses them: LZ4 without checksums, zero pages as nothing. */
export class BlockCodec {
  readonly #core = Core.load();
  readonly #pages: number;
  readonly #stage: number;

  /** `blockPages`: most pages in a block. */
  constructor(blockPages: number) {
    this.#pages = this.#core.allocate(blockPages * PAGE_SIZE);
    this.#stage = this.#core.allocate(this.#core.exports.lz4Bound(blockPages * PAGE_SIZE));
  }

  /** Pages of the block: `count` from number `first` on. */
  pages(first: number, count: number): Uint8Array {
    return this.#core.view(this.#pages + first * PAGE_SIZE, count * PAGE_SIZE);
  }

  /** Where the `size` bytes of a block of `count` pages are to be put, before `open`. */
  stage(size: number, count: number): Uint8Array {
    return this.#core.view(size === count * PAGE_SIZE ? this.#pages : this.#stage, size);
  }

  /** Decompresses the `size` bytes of a block of `count` pages; false when they are not that. */
  open(size: number, count: number): boolean {
    const length = count * PAGE_SIZE;
    if (size === length) return true;
    if (size > 0) return this.#core.exports.lz4Decompress(this.#stage, size, this.#pages, length) === length;
    this.pages(0, count).fill(0);
    return true;
  }

  /** Compresses the first `count` pages of the block; a view. */
  seal(count: number): Uint8Array {
    const { isZeroPage, lz4Compress } = this.#core.exports;
    const length = count * PAGE_SIZE;
    let zero = true;
    for (let page = 0; page < count && zero; page++) zero = isZeroPage(this.#pages + page * PAGE_SIZE) !== 0;
    if (zero) return this.#core.view(this.#stage, 0);
    const size = lz4Compress(this.#pages, length, this.#stage);
    return size < length ? this.#core.view(this.#stage, size) : this.pages(0, count);
  }
}
