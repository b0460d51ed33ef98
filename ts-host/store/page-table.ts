/**
 * The table of a page pack: where its regions are, and which page of it each page of each stream is.
 * It lies in the checkpoint's metadata; the layout is in schemas/README.md.
 */
import { BinaryReader, BinaryWriter } from "../images/binary.ts";
import type { StoredRegion } from "../wasm/pages.ts";
import { MAX_REGION_PAGES, PAGE_SIZE } from "../wasm/pages.ts";

/** Extents in a block of the index, at most. */
export const BLOCK_EXTENTS = 4096;
/** Bytes of an extent: u32 count of pages, u32 number of the first in the pack or ZERO_PAGE. */
export const EXTENT_SIZE = 8;
/** Most pages in a stream: 256 TiB. */
const MAX_STREAM_PAGES = 2 ** 36;
const REGION_ENTRY = 24;
const BLOCK_ENTRY = 32;

/** A region of the pack file. */
export interface PlacedRegion extends StoredRegion {
  offset: number;
}

/** A block of extents in the pack file. */
export interface IndexBlock {
  /** The page of the stream that it begins with. */
  first: number;
  offset: number;
  extents: number;
  /** XXH64 of its bytes. */
  checksum: bigint;
}

export interface StreamTable {
  id: number;
  /** Pages in the stream. */
  length: number;
  blocks: IndexBlock[];
}

export interface PageTable {
  /** Bytes of the pack file. */
  packSize: number;
  /** Pages in every region but the last. */
  regionPages: number;
  /** Pages in the pack. */
  length: number;
  regions: PlacedRegion[];
  streams: StreamTable[];
}

/** Number of pages in region `index`. */
export function pagesInRegion(table: PageTable, index: number): number {
  return Math.min(table.regionPages, table.length - index * table.regionPages);
}

export function encodePageTable(table: PageTable): Uint8Array {
  const to = new BinaryWriter();
  to.u64(table.packSize).u32(PAGE_SIZE).u32(table.regionPages).u64(table.length);
  to.u32(table.regions.length).u32(table.streams.length);
  for (const { offset, stored, compressed, checksum } of table.regions) {
    to.u64(offset)
      .u32(stored)
      .u32(compressed ? 1 : 0)
      .u64(checksum);
  }
  for (const { id, length, blocks } of table.streams) {
    to.u32(id).u32(blocks.length).u64(length);
    for (const { first, offset, extents, checksum } of blocks) {
      to.u64(first).u64(offset).u32(extents).u32(0).u64(checksum);
    }
  }
  return to.result();
}

/** Reads and checks a table: all that it refers to lies inside a pack of `packSize` bytes. */
export function decodePageTable(bytes: Uint8Array, file: string, base: number): PageTable {
  const from = new BinaryReader(bytes, file, base);
  const packSize = from.size(Number.MAX_SAFE_INTEGER);
  const pageSize = from.u32();
  if (pageSize !== PAGE_SIZE) from.fail(`pages of ${pageSize} bytes are not supported`);
  const regionPages = from.u32();
  if (regionPages < 1 || regionPages > MAX_REGION_PAGES)
    from.fail(`regions of ${regionPages} pages are not supported`);
  const length = from.size(2 ** 32 - 1);
  const regionCount = from.u32();
  const streamCount = from.u32();
  if (regionCount !== Math.ceil(length / regionPages))
    from.fail(`${regionCount} regions do not hold ${length} pages`);
  if (regionCount * REGION_ENTRY > from.left) from.fail(`the table is too short for ${regionCount} regions`);
  const table: PageTable = { packSize, regionPages, length, regions: [], streams: [] };
  for (let index = 0; index < regionCount; index++) table.regions.push(decodeRegion(from, table, index));
  for (let index = 0; index < streamCount; index++) table.streams.push(decodeStream(from, table));
  if (from.left !== 0) from.fail(`${from.left} bytes too many`);
  return table;
}

function decodeRegion(from: BinaryReader, table: PageTable, index: number): PlacedRegion {
  const region: PlacedRegion = {
    offset: from.size(table.packSize),
    stored: from.u32(),
    compressed: false,
    checksum: 0n,
  };
  const encoding = from.u32();
  const size = pagesInRegion(table, index) * PAGE_SIZE;
  if (encoding > 1) from.fail(`region ${index}: compression ${encoding} is not known`);
  region.compressed = encoding === 1;
  if (region.compressed ? region.stored >= size : region.stored !== size) {
    from.fail(`region ${index}: ${region.stored} bytes cannot hold its ${size}`);
  }
  if (region.offset + region.stored > table.packSize)
    from.fail(`region ${index} ends behind the end of the pack`);
  region.checksum = from.u64();
  return region;
}

function decodeStream(from: BinaryReader, table: PageTable): StreamTable {
  const id = from.u32();
  const blockCount = from.u32();
  const length = from.size(MAX_STREAM_PAGES);
  if (table.streams.some((other) => other.id === id)) from.fail(`stream ${id} is there twice`);
  if (blockCount * BLOCK_ENTRY > from.left) from.fail(`the table is too short for ${blockCount} blocks`);
  if ((blockCount === 0) !== (length === 0))
    from.fail(`stream ${id}: ${blockCount} blocks do not hold ${length} pages`);
  const blocks: IndexBlock[] = [];
  for (let index = 0; index < blockCount; index++) {
    const first = from.size(length);
    const offset = from.size(table.packSize);
    const extents = from.u32();
    from.u32();
    const checksum = from.u64();
    const inOrder = index === 0 ? first === 0 : first > blocks[index - 1].first;
    if (!inOrder || first >= length) from.fail(`stream ${id}, block ${index}: page ${first} is out of order`);
    if (extents < 1 || extents > BLOCK_EXTENTS) from.fail(`stream ${id}, block ${index}: ${extents} extents`);
    if (offset + extents * EXTENT_SIZE > table.packSize) {
      from.fail(`stream ${id}, block ${index} ends behind the end of the pack`);
    }
    blocks.push({ first, offset, extents, checksum });
  }
  return { id, length, blocks };
}
