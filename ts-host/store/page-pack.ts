/**
 * The page pack of one checkpoint: every page content once, in compressed regions that can be read one by one.
 * A store that many checkpoints share would take the place of this file behind the same two classes.
 */
import { CriuWasmError, ImageError } from "../errors.ts";
import { BinaryReader, BinaryWriter } from "../images/binary.ts";
import type { DrainPages, FillPages, PageSink, PageSource } from "../images/checkpoint.ts";
import { InputFile, OutputFile } from "../images/files.ts";
import type { PackedChunk } from "../wasm/pages.ts";
import {
  CHUNK_PAGES,
  checksum,
  PAGE_SIZE,
  PagePacker,
  PageUnpacker,
  REGION_SLOTS,
  ZERO_PAGE,
} from "../wasm/pages.ts";
import type { IndexBlock, PageTable, StreamTable } from "./page-table.ts";
import { BLOCK_EXTENTS, EXTENT_SIZE, pagesInRegion } from "./page-table.ts";

const MAGIC = new TextEncoder().encode("CRIUPACK");
const VERSION = 1;
/** magic, u16 version, u16 0, u32 page size, 16 bytes id of the checkpoint, u64 XXH64 of all before. */
const HEADER_SIZE = 40;

const REGION_PAGES = 16;

export interface PackOptions {
  /** Compress regions with LZ4. */
  compress: boolean;
}

/** Writes a pack. */
export class PackWriter {
  readonly #file: OutputFile;
  readonly #packer: PagePacker;
  readonly #table: PageTable;
  readonly #streams: StreamWriter[] = [];

  /** `checkpointId`: the 16 bytes that tie the pack to its metadata. */
  constructor(path: string, checkpointId: Uint8Array, options: PackOptions) {
    this.#packer = new PagePacker(REGION_PAGES, options.compress);
    this.#file = new OutputFile(path);
    this.#table = { packSize: 0, regionPages: REGION_PAGES, length: 0, regions: [], streams: [] };
    const header = new BinaryWriter().bytes(MAGIC).u16(VERSION).u16(0).u32(PAGE_SIZE).bytes(checkpointId);
    this.#file.write(header.u64(checksum(header.result())).result());
  }

  /** Begins a stream of pages. */
  stream(id: number): PageSink {
    const stream = new StreamWriter(id, this.#packer, this);
    this.#table.streams.push(stream.table);
    this.#streams.push(stream);
    return stream;
  }

  /** Appends the regions of a chunk. */
  addRegions(chunk: PackedChunk): void {
    let { length: offset } = this.#file;
    for (const region of chunk.regions) {
      this.#table.regions.push({ offset, ...region });
      offset += region.stored;
    }
    this.#file.write(chunk.output);
  }

  /** Appends a block of the index; answers its offset. */
  addBlock(bytes: Uint8Array): number {
    const offset = this.#file.length;
    this.#file.write(bytes);
    return offset;
  }

  /** Ends all streams, closes the file, answers the table. */
  finish(): PageTable {
    for (const stream of this.#streams) stream.finish();
    this.addRegions(this.#packer.flush());
    this.#file.close();
    this.#table.length = this.#packer.length;
    this.#table.packSize = this.#file.length;
    return this.#table;
  }

  close(): void {
    this.#file.close();
  }
}

class StreamWriter implements PageSink {
  readonly id: number;
  readonly table: StreamTable;
  readonly #packer: PagePacker;
  readonly #pack: PackWriter;
  /** Extents of the block that is being filled, and how many numbers of it are used. */
  readonly #block = new Uint32Array(BLOCK_EXTENTS * 2);
  #used = 0;
  #blockFirst = 0;

  constructor(id: number, packer: PagePacker, pack: PackWriter) {
    this.id = id;
    this.table = { id, length: 0, blocks: [] };
    this.#packer = packer;
    this.#pack = pack;
  }

  append(count: number, fill: FillPages): void {
    for (let done = 0; done < count; ) {
      const pages = Math.min(CHUNK_PAGES, count - done);
      fill(this.#packer.input(pages), done * PAGE_SIZE);
      const chunk = this.#packer.pack(pages);
      if (chunk === undefined)
        throw new CriuWasmError("a checkpoint holds at most 16 TiB of different pages");
      this.#pack.addRegions(chunk);
      for (let at = 0; at < chunk.extents.length; at += 2)
        this.#extend(chunk.extents[at], chunk.extents[at + 1]);
      done += pages;
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

/** Reads a pack; every region and block is checked before its content is used. */
export class PackReader {
  readonly #file: InputFile;
  readonly #table: PageTable;
  readonly #unpacker = new PageUnpacker();
  /** Which slot of the unpacker holds which region; the first was used longest ago. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots = Array.from({ length: REGION_SLOTS }, (_, slot) => slot);

  constructor(path: string, checkpointId: Uint8Array, table: PageTable) {
    this.#table = table;
    this.#file = new InputFile(path);
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
    if (Buffer.compare(from.bytes(8), MAGIC) !== 0) from.fail("not a page pack: wrong magic", 0);
    const version = from.u16();
    from.u16();
    from.u32();
    const id = from.bytes(16);
    if (from.u64() !== checksum(header.subarray(0, HEADER_SIZE - 8))) from.fail("the header is damaged", 0);
    if (version !== VERSION) from.fail(`version ${version} is not known, only ${VERSION}`, 0);
    if (Buffer.compare(id, checkpointId) !== 0) from.fail("belongs to another checkpoint", 0);
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
      const pages = Math.min(count, REGION_PAGES);
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
