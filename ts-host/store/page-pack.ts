/**
 * The page pack of one checkpoint: every page content once, in compressed regions that can be read one by one.
 * A store that many checkpoints share would take the place of this file behind the same two classes.
 */
import { CriuWasmError } from "../errors.ts";
import { BinaryWriter } from "../images/binary.ts";
import type { FillPages, PageSink } from "../images/checkpoint.ts";
import { OutputFile } from "../images/files.ts";
import type { PackedChunk } from "../wasm/pages.ts";
import { CHUNK_PAGES, checksum, PAGE_SIZE, PagePacker, ZERO_PAGE } from "../wasm/pages.ts";
import { MAGIC, VERSION } from "./pack-reader.ts";
import type { PageTable, StreamTable } from "./page-table.ts";
import { BLOCK_EXTENTS } from "./page-table.ts";

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
