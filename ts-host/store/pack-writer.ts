/** Writing pages: a pack of those whose content is new, and streams that say which page is where. */
import { Worker } from "node:worker_threads";
import { asset } from "../assets.ts";
import { CriuWasmError } from "../errors.ts";
import type { FillPages, PageSink } from "../images/checkpoint.ts";
import { OutputFile } from "../images/files.ts";
import {
  CHUNK_PAGES,
  type Method,
  newHashKey,
  PAGE_SIZE,
  PagePacker,
  REGION_ENTRY,
  ZERO_PAGE,
} from "../wasm/pages.ts";
import { checksum } from "../wasm/sums.ts";
import { encodeEnd, encodeHeader, type PlacedRegion } from "./pack-format.ts";
import { BLOCK_EXTENTS, type NumberedPack, type PageTable, packOf, type StreamTable } from "./page-table.ts";
import { type NumberedRegion, type SealedRegion, SealSlots, shareSlots } from "./seal-slots.ts";

export interface PackOptions {
  compress: "none" | Method;
  /** Pages that are compressed together, and read back together: 1 to MAX_REGION_PAGES. */
  regionPages: number;
  /** Threads that compress, this one among them. */
  threads: number;
}

export const DEFAULT_PACK_OPTIONS: PackOptions = { compress: "lz4", regionPages: 16, threads: 1 };

/** Regions that wait for each thread. */
const SLOTS_PER_THREAD = 16;

/** Pages that are there already, in packs of a store. */
export interface KnownPages {
  /** The secret that their hashes depend on. */
  readonly key: Uint8Array;
  /** In the order of the numbers of their pages. */
  readonly packs: readonly NumberedPack[];
  /** Hashes of the pages of a pack. */
  hashes(pack: NumberedPack): Uint8Array;
  /** Takes the hashes of pages that are new, in their order. */
  remember(hashes: Uint8Array): void;
}

function nothingKnown(): KnownPages {
  return { key: newHashKey(), packs: [], hashes: () => new Uint8Array(0), remember() {} };
}

/** Writes a pack, and the streams of the checkpoint that it belongs to. */
export class PackWriter {
  readonly #file: OutputFile;
  readonly #packer: PagePacker;
  readonly #id: Uint8Array;
  readonly #options: PackOptions;
  readonly #first: number;
  readonly #known: KnownPages;
  readonly #used = new Set<NumberedPack>();
  readonly #streams: StreamWriter[] = [];
  readonly #regions = new RegionTable();
  readonly #slots: SealSlots;
  /** Where the page of each frame is, that a stream has had one of. */
  readonly frames = new Map<bigint, number>();
  #length = 0;

  /** `id`: of the checkpoint. */
  constructor(path: string, id: Uint8Array, options: PackOptions, known = nothingKnown()) {
    const last = known.packs.at(-1);
    this.#id = id;
    this.#options = options;
    this.#known = known;
    this.#first = last === undefined ? 0 : last.first + last.length;
    const method = options.compress === "none" ? "lz4" : options.compress;
    this.#packer = new PagePacker(known.key, this.#first, method);
    for (const pack of known.packs) this.#packer.addKnown(known.hashes(pack), pack.first);
    this.#file = new OutputFile(path);
    this.#file.write(encodeHeader(id));
    const others = options.compress === "none" ? 0 : options.threads - 1;
    const shared = shareSlots(others * SLOTS_PER_THREAD, options.regionPages * PAGE_SIZE, method);
    this.#slots = new SealSlots(shared);
    for (let thread = 0; thread < others; thread++)
      new Worker(asset("seal-worker.mjs"), { workerData: shared }).unref();
  }

  /** Begins a stream of pages. */
  stream(id: number): PageSink {
    const stream = new StreamWriter(id, this);
    this.#streams.push(stream);
    return stream;
  }

  /** Takes `count` pages, at most CHUNK_PAGES; answers where they are, as PagePacker does. */
  addPages(count: number, fill: (view: Uint8Array) => void): Uint32Array {
    fill(this.#packer.input(count));
    const extents = this.#packer.pack(count);
    if (extents === undefined) throw new CriuWasmError("a store holds at most 16 TiB of different pages");
    this.#noteUsed(extents);
    this.#known.remember(this.#packer.hashes);
    this.#seal(false);
    return extents;
  }

  #noteUsed(extents: Uint32Array): void {
    for (let at = 1; at < extents.length; at += 2) {
      if (extents[at] >= this.#first) continue;
      // An extent may run on into the next pack: they have neighbouring numbers.
      const end = extents[at] + extents[at - 1];
      const first = packOf(this.#known.packs, extents[at])!;
      for (const pack of this.#known.packs.slice(first)) {
        if (pack.first >= end) break;
        this.#used.add(pack);
      }
    }
  }

  /** Compresses and writes the regions that are full, or lets another thread compress them; with `all`, the last one too. */
  #seal(all: boolean): void {
    const { regionPages, compress } = this.#options;
    const fresh = this.#packer.freshPages;
    const own: NumberedRegion[] = [];
    let at = 0;
    for (; at + regionPages <= fresh || (all && at < fresh); at += regionPages) {
      const pages = Math.min(regionPages, fresh - at);
      const region = Math.floor(this.#length / regionPages);
      this.#length += pages;
      if (compress === "none") own.push({ region, ...this.#packer.leave(at, pages) });
      else if (!this.#slots.offer(this.#packer.fresh(at, pages), region))
        own.push({ region, ...this.#packer.seal(at, pages) });
    }
    const done = Math.min(at, fresh);
    if (done === 0) return;
    const bytes = compress === "none" ? this.#packer.fresh(0, done) : this.#packer.output;
    this.#place(own, [bytes]);
    this.#slots.collect(this.#placeCollected);
    this.#packer.take(done);
  }

  /** Writes regions, whose bytes are `parts` one after the other. */
  #place(regions: NumberedRegion[], parts: Uint8Array[]): void {
    if (regions.length === 0) return;
    let offset = this.#file.length;
    this.#file.writeAll(parts);
    for (const { region, stored, encoding, checksum } of regions) {
      this.#regions.set(region, { offset, stored, encoding, checksum });
      offset += stored;
    }
  }

  /** As they are numbered: neighbours can be read at once. */
  #placeCollected = (regions: SealedRegion[]): void => {
    regions.sort((a, b) => a.region - b.region);
    this.#place(
      regions,
      regions.map(({ bytes }) => bytes),
    );
  };

  /** Appends a block of the index; answers its offset. */
  addBlock(bytes: Uint8Array): number {
    const offset = this.#file.length;
    this.#file.write(bytes);
    return offset;
  }

  /** Ends all streams, closes the file, answers the table. */
  finish(): PageTable {
    for (const stream of this.#streams) stream.finish();
    this.#seal(true);
    this.#slots.drain(this.#placeCollected);
    this.#slots.close();
    const trailer = {
      id: this.#id,
      tableOffset: this.#file.length,
      length: this.#length,
      regionPages: this.#options.regionPages,
      regionCount: Math.ceil(this.#length / this.#options.regionPages),
    };
    const { end, summary } = encodeEnd(trailer, this.#regions.entries(trailer.regionCount));
    this.#file.write(end);
    this.#file.close();
    const others = this.#known.packs.filter((pack) => this.#used.has(pack));
    const packs = [...others, { ...summary, first: this.#first }];
    return { packs, streams: this.#streams.map(({ table }) => table) };
  }

  close(): void {
    this.#slots.close();
    this.#file.close();
  }
}

/** The entries of the table of regions, which come in any order. */
class RegionTable {
  #entries = new DataView(new ArrayBuffer(64 * REGION_ENTRY));

  set(index: number, { offset, stored, encoding, checksum }: PlacedRegion): void {
    const at = index * REGION_ENTRY;
    if (at >= this.#entries.byteLength) {
      const larger = new Uint8Array(2 * at);
      larger.set(new Uint8Array(this.#entries.buffer));
      this.#entries = new DataView(larger.buffer);
    }
    this.#entries.setBigUint64(at, BigInt(offset), true);
    this.#entries.setUint32(at + 8, stored, true);
    this.#entries.setUint32(at + 12, encoding, true);
    this.#entries.setBigUint64(at + 16, checksum, true);
  }

  /** The first `count`. */
  entries(count: number): Uint8Array {
    return new Uint8Array(this.#entries.buffer, 0, count * REGION_ENTRY);
  }
}

class StreamWriter implements PageSink {
  readonly id: number;
  readonly table: StreamTable;
  readonly #pack: PackWriter;
  /** Extents of the block that is being filled, and how many numbers of it are used. */
  readonly #block = new Uint32Array(BLOCK_EXTENTS * 2);
  #used = 0;
  #blockFirst = 0;

  constructor(id: number, pack: PackWriter) {
    this.id = id;
    this.table = { id, length: 0, blocks: [] };
    this.#pack = pack;
  }

  append(count: number, fill: FillPages): void {
    for (let done = 0; done < count; ) {
      const pages = Math.min(CHUNK_PAGES, count - done);
      const extents = this.#pack.addPages(pages, (view) => fill(view, done * PAGE_SIZE));
      for (let at = 0; at < extents.length; at += 2) this.#extend(extents[at], extents[at + 1]);
      done += pages;
    }
  }

  appendFrames(frames: BigUint64Array, fill: FillPages): void {
    const known = this.#pack.frames;
    for (let at = 0; at < frames.length; ) {
      const before = known.get(frames[at]);
      if (before !== undefined) {
        this.#extend(1, before);
        at++;
        continue;
      }
      const most = Math.min(frames.length, at + CHUNK_PAGES);
      let end = at + 1;
      while (end < most && !known.has(frames[end])) end++;
      const first = at;
      const extents = this.#pack.addPages(end - at, (view) => fill(view, first * PAGE_SIZE));
      for (let extent = 0; extent < extents.length; extent += 2) {
        const [count, page] = extents.subarray(extent, extent + 2);
        for (let index = 0; index < count; index++)
          known.set(frames[at++], page === ZERO_PAGE ? ZERO_PAGE : page + index);
        this.#extend(count, page);
      }
    }
  }

  #extend(count: number, page: number): void {
    if (!this.#mergesWithLast(count, page)) {
      if (this.#used === this.#block.length) this.#closeBlock();
      this.#block[this.#used++] = count;
      this.#block[this.#used++] = page;
    }
    this.table.length += count;
  }

  #mergesWithLast(count: number, page: number): boolean {
    if (this.#used === 0) return false;
    const lastCount = this.#block[this.#used - 2];
    const lastPage = this.#block[this.#used - 1];
    const follows = page === ZERO_PAGE ? lastPage === ZERO_PAGE : page === lastPage + lastCount;
    if (!follows || lastCount + count > ZERO_PAGE) return false;
    this.#block[this.#used - 2] = lastCount + count;
    return true;
  }

  #closeBlock(): void {
    const bytes = new Uint8Array(this.#block.buffer, 0, this.#used * 4);
    const offset = this.#pack.addBlock(bytes);
    this.table.blocks.push({
      first: this.#blockFirst,
      offset,
      extents: this.#used / 2,
      checksum: checksum(bytes),
    });
    this.#blockFirst = this.table.length;
    this.#used = 0;
  }

  finish(): void {
    if (this.#used > 0) this.#closeBlock();
  }
}
