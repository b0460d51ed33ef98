/**
 * A page pack: page contents in regions, each compressed by itself. In the file: a header; regions, and between
 * them index blocks of the checkpoint that made it; the table of the regions in blocks; a checksum of each of
 * these blocks; a trailer. schemas/README.md describes it byte by byte.
 */
import { ImageError } from "../errors.ts";
import { BinaryReader, BinaryWriter, sameBytes } from "../images/binary.ts";
import {
  AS_IT_IS,
  LZ4,
  MAX_REGION_PAGES,
  PAGE_SIZE,
  REGION_ENTRY,
  type StoredRegion,
  ZSTD,
} from "../wasm/pages.ts";
import { checksum, sha256 } from "../wasm/sums.ts";

const MAGIC = new TextEncoder().encode("CRIUPACK");
const END_MAGIC = new TextEncoder().encode("PACK-END");
const VERSION = 2;

export const PACK_ID_SIZE = 16;
export const DIGEST_SIZE = 32;
/** magic, u16 version, u16 0, u32 page size, id, u64 XXH64 of all before. */
export const HEADER_SIZE = 40;
/** Entries in a block of the table. */
export const TABLE_BLOCK = 4096;
/** magic, id, u64 offset of the table, u64 pages, u32 pages in a region, u32 regions, u64 XXH64 of all before. */
export const TRAILER_SIZE = 56;

/** What a checkpoint keeps of a pack that it refers to. */
export interface PackSummary {
  id: Uint8Array;
  /** Pages in it. */
  length: number;
  /** SHA-256 of the checksums of the table's blocks and of the trailer: with them, of everything in the regions. */
  digest: Uint8Array;
}

/** A region of a pack file. */
export interface PlacedRegion extends StoredRegion {
  offset: number;
}

export interface Trailer {
  id: Uint8Array;
  tableOffset: number;
  /** Pages in the pack. */
  length: number;
  /** Pages in every region but the last. */
  regionPages: number;
  regionCount: number;
}

export function encodeHeader(id: Uint8Array): Uint8Array {
  const header = new BinaryWriter().bytes(MAGIC).u16(VERSION).u16(0).u32(PAGE_SIZE).bytes(id);
  return header.u64(checksum(header.result())).result();
}

/** Checks a header: the pack is the one with that id. */
export function checkHeader(header: Uint8Array, file: string, expected: Uint8Array): void {
  const from = new BinaryReader(header, file, 0);
  if (!sameBytes(from.bytes(MAGIC.length), MAGIC)) from.fail("not a page pack: wrong magic", 0);
  const version = from.u16();
  from.u16();
  from.u32();
  const id = from.bytes(PACK_ID_SIZE);
  if (from.u64() !== checksum(header.subarray(0, HEADER_SIZE - 8))) from.fail("the header is damaged", 0);
  if (version !== VERSION) from.fail(`version ${version} is not known, only ${VERSION}`, 0);
  if (!sameBytes(id, expected)) from.fail("belongs to another checkpoint", 0);
}

/** The end of a pack, from the first of the table's entries on, and what checkpoints keep of the pack. */
export function encodeEnd(trailer: Trailer, entries: Uint8Array): { end: Uint8Array; summary: PackSummary } {
  const end = new BinaryWriter().bytes(entries);
  for (let at = 0; at < entries.length; at += TABLE_BLOCK * REGION_ENTRY) {
    end.u64(checksum(entries.subarray(at, at + TABLE_BLOCK * REGION_ENTRY)));
  }
  const last = new BinaryWriter().bytes(END_MAGIC).bytes(trailer.id).u64(trailer.tableOffset);
  last.u64(trailer.length).u32(trailer.regionPages).u32(trailer.regionCount);
  end.bytes(last.u64(checksum(last.result())).result());
  const { id, length } = trailer;
  const digest = sha256(end.result().subarray(entries.length));
  return { end: end.result(), summary: { id, length, digest } };
}

/** Blocks of the table. */
export function tableBlocks(regionCount: number): number {
  return Math.ceil(regionCount / TABLE_BLOCK);
}

/** Reads and checks the trailer of a file of `size` bytes, which it ends. */
export function decodeTrailer(bytes: Uint8Array, file: string, size: number): Trailer {
  const from = new BinaryReader(bytes, file, size - TRAILER_SIZE);
  if (!sameBytes(from.bytes(END_MAGIC.length), END_MAGIC))
    from.fail("the pack is incomplete: it has no end", 0);
  const id = from.bytes(PACK_ID_SIZE).slice();
  const tableOffset = from.size(size);
  const length = from.size(2 ** 32 - 1);
  const regionPages = from.u32();
  const regionCount = from.u32();
  if (from.u64() !== checksum(bytes.subarray(0, TRAILER_SIZE - 8))) from.fail("the trailer is damaged", 0);
  if (regionPages < 1 || regionPages > MAX_REGION_PAGES)
    from.fail(`regions of ${regionPages} pages are not supported`, 0);
  if (regionCount !== Math.ceil(length / regionPages))
    from.fail(`${regionCount} regions do not hold ${length} pages`, 0);
  const expected = tableOffset + regionCount * REGION_ENTRY + tableBlocks(regionCount) * 8 + TRAILER_SIZE;
  if (tableOffset < HEADER_SIZE || size !== expected)
    from.fail(`${size} bytes, but ${expected} were written`, 0);
  return { id, tableOffset, length, regionPages, regionCount };
}

/** Number of pages in region `index`. */
export function pagesInRegion({ length, regionPages }: Trailer, index: number): number {
  return Math.min(regionPages, length - index * regionPages);
}

/** Reads and checks entry `index` of a block of the table that begins with region `first`. */
export function decodeRegion(
  block: DataView,
  first: number,
  index: number,
  trailer: Trailer,
  file: string,
): PlacedRegion {
  const at = (index - first) * REGION_ENTRY;
  const region = {
    // As numbers: there are many regions, and bigints take time.
    offset: block.getUint32(at, true) + block.getUint32(at + 4, true) * 2 ** 32,
    stored: block.getUint32(at + 8, true),
    encoding: block.getUint32(at + 12, true),
    checksum: block.getBigUint64(at + 16, true),
  };
  const wrong = wrongRegion(region, pagesInRegion(trailer, index) * PAGE_SIZE, trailer.tableOffset);
  if (wrong === undefined) return region;
  const offset = trailer.tableOffset + index * REGION_ENTRY;
  throw new ImageError(`region ${index} ${wrong}`, { file, offset });
}

/** `size`: bytes of its pages; `end`: where the regions end. */
function wrongRegion(
  { offset, stored, encoding }: PlacedRegion,
  size: number,
  end: number,
): string | undefined {
  if (encoding !== AS_IT_IS && encoding !== LZ4 && encoding !== ZSTD)
    return `has compression ${encoding}, which is not known`;
  if (encoding === AS_IT_IS ? stored !== size : stored >= size)
    return `has ${stored} bytes, which cannot hold its ${size}`;
  return offset + stored > end ? "ends behind the end of the regions" : undefined;
}
