/**
 * The page path of the core: memory pages -> regions of a pack and back. Each packer and unpacker has an
 * instance of the core to itself. Views on its memory hold until the next call of the same object.
 */
import { Core } from "./core.ts";

export const PAGE_SIZE = 4096;
/** Pages that a packer takes at once: 1 MiB. */
export const CHUNK_PAGES = 256;
/** Most pages in a region of a pack: 64 KiB. */
export const MAX_REGION_PAGES = 16;
/** The first page of an extent whose pages are all zero. */
export const ZERO_PAGE = 0xffffffff;
/** Regions that an unpacker keeps decompressed. */
export const REGION_SLOTS = 16;

const HASH_KEY_SIZE = PAGE_SIZE + 64;
/** Bytes in which the core describes a region. */
const REGION_RECORD = 16;

/** A region as it lies in a pack. */
export interface StoredRegion {
  /** Bytes in the pack. */
  stored: number;
  compressed: boolean;
  /** XXH64 of those bytes. */
  checksum: bigint;
}

/** What one chunk of pages adds to a pack. */
export interface PackedChunk {
  /** Bytes to append to the pack: `regions` one after the other. */
  output: Uint8Array;
  regions: StoredRegion[];
  /** Where the pages of the chunk are: pairs of a count and the number of the first in the pack, or ZERO_PAGE. */
  extents: Uint32Array;
}

/** Packs pages: leaves out zero pages and those that were there before, compresses the rest by regions. */
export class PagePacker {
  readonly #core = Core.load();

  /** `regionPages`: 1 to MAX_REGION_PAGES. */
  constructor(regionPages: number, compress: boolean) {
    // A secret of this pack alone: whoever makes the pages cannot make two different ones count as one.
    crypto.getRandomValues(this.#core.view(this.#core.exports.hashKey(), HASH_KEY_SIZE));
    this.#core.exports.beginPack(regionPages, compress);
  }

  /** Number of pages in the pack so far. */
  get length(): number {
    return this.#core.exports.packLength() >>> 0;
  }

  /** Where the next `count` pages (at most CHUNK_PAGES) are to be put, straight in the core's memory. */
  input(count: number): Uint8Array {
    return this.#core.view(this.#core.exports.packInput(), count * PAGE_SIZE);
  }

  /** Packs the `count` pages of the input. Undefined when the pack is full, at 16 TiB. */
  pack(count: number): PackedChunk | undefined {
    return this.#core.exports.packPages(count) ? this.#chunk() : undefined;
  }

  /** The last, incomplete region. */
  flush(): PackedChunk {
    this.#core.exports.flushPack();
    return this.#chunk();
  }

  #chunk(): PackedChunk {
    const core = this.#core.exports;
    const { buffer } = core.memory;
    const records = new DataView(buffer, core.packRegions(), core.packRegionCount() * REGION_RECORD);
    const regions: StoredRegion[] = [];
    for (let at = 0; at < records.byteLength; at += REGION_RECORD) {
      regions.push({
        stored: records.getUint32(at, true),
        compressed: records.getUint32(at + 4, true) === 1,
        checksum: records.getBigUint64(at + 8, true),
      });
    }
    return {
      output: this.#core.view(core.packOutput(), core.packOutputLength()),
      regions,
      extents: new Uint32Array(buffer, core.packExtents(), core.packExtentCount() * 2),
    };
  }
}

/** Opens regions of a pack: REGION_SLOTS of them at a time. */
export class PageUnpacker {
  readonly #core = Core.load();

  constructor() {
    this.#core.exports.beginUnpack();
  }

  /** Where the stored bytes of a region are to be put, before `open`. */
  stage(slot: number, { stored, compressed }: StoredRegion): Uint8Array {
    const { regionStage, regionSlot } = this.#core.exports;
    return this.#core.view(compressed ? regionStage() : regionSlot(slot), stored);
  }

  /** Checks and decompresses to `length` bytes in the slot; answers what is wrong, if something is. */
  open(
    slot: number,
    region: StoredRegion,
    length: number,
  ): "checksum differs" | "malformed LZ4 block" | undefined {
    const { stored, compressed, checksum } = region;
    const answer = this.#core.exports.openRegion(slot, stored, compressed, checksum, length);
    return ([undefined, "checksum differs", "malformed LZ4 block"] as const)[answer];
  }

  /** Pages of a slot: `count` from number `first` of the region on. */
  pages(slot: number, first: number, count: number): Uint8Array {
    return this.#core.view(this.#core.exports.regionSlot(slot) + first * PAGE_SIZE, count * PAGE_SIZE);
  }

  /** `count` pages (at most MAX_REGION_PAGES) of zeros. */
  zeros(count: number): Uint8Array {
    return this.pages(REGION_SLOTS, 0, count);
  }
}

let summer: { core: Core; buffer: number; capacity: number } | undefined;

/** XXH64 of `bytes`. */
export function checksum(bytes: Uint8Array): bigint {
  summer ??= { core: Core.load(), buffer: 0, capacity: 0 };
  const { core } = summer;
  if (bytes.length > summer.capacity) {
    summer.capacity = Math.max(65536, 2 * summer.capacity, bytes.length);
    summer.buffer = core.allocate(summer.capacity);
  }
  core.view(summer.buffer, bytes.length).set(bytes);
  return BigInt.asUintN(64, core.exports.xxh64(summer.buffer, bytes.length, 0n));
}
