/** Reading the pages of a checkpoint from its packs; every region and block is checked before its content is used. */
import { ImageError } from "../errors.ts";
import { hex } from "../images/binary.ts";
import type { DrainPages, PageFigures, PageSource, PlaceCursor } from "../images/checkpoint.ts";
import type { RandomFile } from "../images/source.ts";
import type { Core } from "../wasm/core.ts";
import { GATHERED_PAGES, PAGE_SIZE, PageUnpacker, REGION_SLOTS, ZERO_PAGE } from "../wasm/pages.ts";
import { checksum } from "../wasm/sums.ts";
import { PackFile } from "./pack-reader.ts";
import type { IndexBlock, NumberedPack, PageTable, StreamTable } from "./page-table.ts";
import { EXTENT_SIZE, packOf } from "./page-table.ts";
import { type Packs, Places } from "./places.ts";

/** Opens the file of a pack. */
export type OpenPack = (pack: NumberedPack) => RandomFile;

/** Pages that are gathered at once at first. */
const FIRST_GATHERED = 128;

export class PageReader {
  readonly #table: PageTable;
  readonly #openPack: OpenPack;
  /** Those that were needed so far. */
  readonly #packs: (PackFile | undefined)[];
  #ids: readonly string[] | undefined;
  #opened: PageUnpacker | undefined;
  /** Which slot of the unpacker holds the region with that first page; the first was used longest ago. */
  readonly #slots = new Map<number, number>();
  #gatheredPages = 0;
  readonly #freeSlots = Array.from({ length: REGION_SLOTS }, (_, slot) => slot);

  /** Opens the checkpoint's own pack; others when a page of them is read. */
  constructor(table: PageTable, openPack: OpenPack) {
    this.#table = table;
    this.#openPack = openPack;
    this.#packs = table.packs.map(() => undefined);
    this.#pack(this.#packs.length - 1);
  }

  /** Made when the first page is read. */
  get #unpacker(): PageUnpacker {
    this.#opened ??= new PageUnpacker();
    return this.#opened;
  }

  #pack(index: number): PackFile {
    const summary = this.#table.packs[index];
    this.#packs[index] ??= new PackFile(this.#openPack(summary), summary);
    return this.#packs[index];
  }

  /** The checkpoint's own pack, which holds the index too. */
  get #own(): PackFile {
    return this.#pack(this.#packs.length - 1);
  }

  get path(): string {
    return this.#own.path;
  }

  get packs(): Packs {
    this.#ids ??= this.#table.packs.map(({ id }) => hex(id));
    return { table: this.#table.packs, ids: this.#ids, path: this.path };
  }

  stream(table: StreamTable): PageSource {
    return new StreamReader(table, this);
  }

  /** The extents of a block, pairs of numbers. */
  readBlock(stream: StreamTable, index: number): Uint32Array {
    const block = stream.blocks[index];
    const bytes = new Uint8Array(block.extents * EXTENT_SIZE);
    const about = `index of page stream ${stream.id}, from page ${block.first} on`;
    this.#own.read(bytes, block.offset);
    if (checksum(bytes) !== block.checksum) this.#own.fail(`${about}: checksum differs`, block.offset);
    const extents = new Uint32Array(bytes.buffer);
    const wrong = this.#wrongExtents(stream, index, extents);
    if (wrong !== undefined) this.#own.fail(`${about}: ${wrong}`, block.offset);
    return extents;
  }

  /** Block contents can be forged together with their checksums: every number is checked against the table. */
  #wrongExtents(stream: StreamTable, index: number, extents: Uint32Array): string | undefined {
    const { packs } = this.#table;
    const withoutGap = endWithoutGap(packs);
    let pages = 0;
    for (let at = 0; at < extents.length; at += 2) {
      const count = extents[at];
      const page = extents[at + 1];
      if (count === 0) return "an extent without pages";
      if (page >= withoutGap && page !== ZERO_PAGE && packOf(packs, page) === undefined)
        return `there is no page ${page}`;
      pages += count;
    }
    const expected = (stream.blocks[index + 1]?.first ?? stream.length) - stream.blocks[index].first;
    return pages === expected ? undefined : `${pages} pages instead of ${expected}`;
  }

  /** What the pages take; of what is stored, only the checkpoint's own pack counts. */
  figures(): PageFigures {
    let pages = 0;
    let zero = 0;
    for (const stream of this.#table.streams) {
      pages += stream.length;
      for (let index = 0; index < stream.blocks.length; index++) {
        const extents = this.readBlock(stream, index);
        for (let at = 0; at < extents.length; at += 2) if (extents[at + 1] === ZERO_PAGE) zero += extents[at];
      }
    }
    return { pages, zero, kept: this.#table.packs.at(-1)!.length, bytes: this.#own.storedBytes() };
  }

  /** The instance of the core that the pages come through. */
  get core(): Core {
    return this.#unpacker.core;
  }

  /** Where in the core's memory up to GATHERED_PAGES may be put; they stay until the next are. */
  get gathering(): number {
    return this.#unpacker.gathering;
  }

  /**
   * How many pages to gather at once, of `count`: more and more of them, the more were gathered. Many at once take
   * fewer calls, but memory that is used for the first time takes longer than all that is saved by few of them.
   */
  gatherAtOnce(count: number): number {
    const most = Math.min(Math.max(FIRST_GATHERED, this.#gatheredPages >> 4), GATHERED_PAGES);
    const pages = Math.min(most, count);
    this.#gatheredPages += pages;
    return pages;
  }

  /** `count` pages from page `page` on, at most GATHERED_PAGES; they stay until the next are read. */
  read(page: number, count: number): Uint8Array {
    this.put(page, count, this.gathering);
    return this.core.view(this.gathering, count * PAGE_SIZE);
  }

  /** Puts `count` pages from page `page` on to `to` in the core's memory. */
  put(page: number, count: number, to: number): void {
    if (page === ZERO_PAGE) {
      this.#unpacker.clear(to, count);
      return;
    }
    for (let done = 0; done < count; )
      done += this.#putSome(page + done, count - done, to + done * PAGE_SIZE);
  }

  /** As `put`, as many as are read at once; answers how many. */
  #putSome(page: number, count: number, to: number): number {
    const index = packOf(this.#table.packs, page);
    if (index === undefined) throw new ImageError(`there is no page ${page}`, { file: this.path });
    const pack = this.#pack(index);
    const inPack = page - this.#table.packs[index].first;
    const region = Math.floor(inPack / pack.regionPages);
    const skipped = inPack % pack.regionPages;
    const whole = pack.pagesInRegion(region);
    const key = page - skipped;
    if (skipped === 0 && count >= whole && !this.#slots.has(key))
      return this.#open(pack, region, pack.wholeRegions(region, Math.min(count, GATHERED_PAGES)), to);
    const pages = Math.min(count, whole - skipped);
    this.#unpacker.copy(to, this.#slotOf(pack, region, key), skipped, pages);
    return pages;
  }

  #slotOf(pack: PackFile, region: number, key: number): number {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      if (this.#freeSlots.length === 0) this.#dropOldest();
      slot = this.#freeSlots.at(-1)!;
      this.#open(pack, region, 1, this.#unpacker.slot(slot));
      this.#freeSlots.pop();
    }
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    return slot;
  }

  #dropOldest(): void {
    const oldest = this.#slots.entries().next().value!;
    this.#slots.delete(oldest[0]);
    this.#freeSlots.push(oldest[1]);
  }

  /** Opens region `index` to `to`, and after it as many of the next as lie behind it; answers how many pages. */
  #open(pack: PackFile, index: number, most: number, to: number): number {
    const rows = pack.rows(index, most);
    // None where the row of the first is wrong: `extent` says what.
    const count = Math.max(1, this.#unpacker.adjoining(rows, pack.regionsEnd));
    const { offset, stored, length } = pack.extent(index, count);
    pack.read(this.#unpacker.stage(to, stored, length), offset);
    if (!this.#unpacker.openAll(to, rows.size, length)) this.#openEach(pack, index, count, to);
    return length / PAGE_SIZE;
  }

  /** Opens the regions that are staged, and tells of the first that is not good. */
  #openEach(pack: PackFile, index: number, count: number, to: number): void {
    for (let number = index; number < index + count; number++) {
      const region = pack.region(number);
      const first = number * pack.regionPages;
      const pages = pack.pagesInRegion(number);
      const wrong = this.#unpacker.open(to, region, pages * PAGE_SIZE);
      if (wrong !== undefined)
        pack.fail(`pages ${first} to ${first + pages - 1} of the pack: ${wrong}`, region.offset);
      to += pages * PAGE_SIZE;
    }
  }

  close(): void {
    for (const pack of this.#packs) pack?.close();
  }
}

/** All numbers before it are those of pages. */
function endWithoutGap(packs: readonly NumberedPack[]): number {
  let end = 0;
  for (const { first, length } of packs) {
    if (first !== end) break;
    end += length;
  }
  return end;
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
  readonly #pages: PageReader;
  #block = -1;
  #extents: Uint32Array = new Uint32Array(0);
  /** The extent that was read last, and the page of the stream that it begins with. */
  #at = 0;
  #extentFirst = 0;

  constructor(table: StreamTable, pages: PageReader) {
    this.#table = table;
    this.#pages = pages;
  }

  get length(): number {
    return this.#table.length;
  }

  read(first: number, count: number, drain: DrainPages): void {
    this.#checkRange(first, count);
    const { core, gathering } = this.#pages;
    for (let done = 0; done < count; ) {
      const pages = this.#pages.gatherAtOnce(count - done);
      this.#put(first + done, pages, gathering);
      drain(core.view(gathering, pages * PAGE_SIZE), done * PAGE_SIZE);
      done += pages;
    }
  }

  readDirectly(first: number, into: Uint8Array): void {
    const count = into.length / PAGE_SIZE;
    if (!this.#pages.core.holds(into)) {
      this.read(first, count, (view, offset) => into.set(view, offset));
      return;
    }
    this.#checkRange(first, count);
    this.#put(first, count, into.byteOffset);
  }

  /** Puts pages of the stream to `to` in the core's memory. */
  #put(first: number, count: number, to: number): void {
    const end = first + count;
    for (let page = first; page < end; ) {
      this.#seek(page);
      const packed = this.#extents[this.#at + 1];
      const from = packed === ZERO_PAGE ? ZERO_PAGE : packed + (page - this.#extentFirst);
      const pages = Math.min(end, this.#extentFirst + this.#extents[this.#at]) - page;
      this.#pages.put(from, pages, to + (page - first) * PAGE_SIZE);
      page += pages;
    }
  }

  #checkRange(first: number, count: number): void {
    if (first >= 0 && count >= 0 && first + count <= this.length) return;
    const { id, length } = this.#table;
    throw new ImageError(
      `pages ${first} to ${first + count - 1} are not in page stream ${id} of ${length} pages`,
      { file: this.#pages.path },
    );
  }

  places(first: number, count: number): PlaceCursor {
    this.#checkRange(first, count);
    this.#seek(first);
    const from = { extents: this.#extents, at: this.#at, skipped: first - this.#extentFirst };
    let block = this.#block;
    return new Places(this.#pages.packs, from, () => this.#pages.readBlock(this.#table, ++block), count);
  }

  /** Makes the extent that holds `page` the current one. */
  #seek(page: number): void {
    const { blocks } = this.#table;
    const index = blockOf(blocks, page);
    if (index !== this.#block) {
      this.#block = -1;
      this.#extents = this.#pages.readBlock(this.#table, index);
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
