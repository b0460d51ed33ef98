/**
 * The table of a checkpoint's pages: which packs they are in, and which page of these each page of each stream
 * is. It lies in the checkpoint's metadata; the layout is in schemas/README.md.
 */
import { BinaryReader, BinaryWriter } from "../images/binary.ts";
import { PAGE_SIZE, ZERO_PAGE } from "../wasm/pages.ts";
import { DIGEST_SIZE, PACK_ID_SIZE, type PackSummary } from "./pack-format.ts";

/** Extents in a block of the index, at most. */
export const BLOCK_EXTENTS = 4096;
/** A dump finds every page again that is there already, as long as all of them are no more: as many as the core remembers. */
const REMEMBERED_PAGES = 3 * 2 ** 20;
/** Bytes of an extent: u32 count of pages, u32 number of the first or ZERO_PAGE. */
export const EXTENT_SIZE = 8;
/** Most pages in a stream: 256 TiB. */
const MAX_STREAM_PAGES = 2 ** 36;
const PACK_ENTRY = PACK_ID_SIZE + 16 + DIGEST_SIZE;
const BLOCK_ENTRY = 32;

/** A pack, and the numbers that its pages have in this checkpoint. */
export interface NumberedPack extends PackSummary {
  /** Number of its first page. */
  first: number;
}

/** A block of extents, in the checkpoint's own pack. */
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
  /** By the numbers of their pages; the last is the checkpoint's own. */
  packs: NumberedPack[];
  streams: StreamTable[];
}

export function encodePageTable(table: PageTable): Uint8Array {
  const to = new BinaryWriter().u32(PAGE_SIZE).u32(table.packs.length).u32(table.streams.length).u32(0);
  for (const { id, first, length, digest } of table.packs) to.bytes(id).u64(first).u64(length).bytes(digest);
  for (const { id, length, blocks } of table.streams) {
    to.u32(id).u32(blocks.length).u64(length);
    for (const { first, offset, extents, checksum } of blocks) {
      to.u64(first).u64(offset).u32(extents).u32(0).u64(checksum);
    }
  }
  return to.result();
}

/** Reads and checks a table. */
export function decodePageTable(bytes: Uint8Array, file: string, base: number): PageTable {
  const from = new BinaryReader(bytes, file, base);
  const pageSize = from.u32();
  if (pageSize !== PAGE_SIZE) from.fail(`pages of ${pageSize} bytes are not supported`);
  const packCount = from.u32();
  const streamCount = from.u32();
  from.u32();
  if (packCount === 0) from.fail("no pack");
  if (packCount * PACK_ENTRY > from.left) from.fail(`the table is too short for ${packCount} packs`);
  const table: PageTable = { packs: [], streams: [] };
  for (let end = 0; table.packs.length < packCount; ) {
    const id = from.bytes(PACK_ID_SIZE).slice();
    const first = from.size(ZERO_PAGE);
    const length = from.size(ZERO_PAGE - first);
    if (first < end) from.fail(`pack ${table.packs.length}: its pages are out of order`);
    end = first + length;
    table.packs.push({ id, first, length, digest: from.bytes(DIGEST_SIZE).slice() });
  }
  const ids = new Set<number>();
  for (let index = 0; index < streamCount; index++) table.streams.push(decodeStream(from, ids));
  if (from.left !== 0) from.fail(`${from.left} bytes too many`);
  return table;
}

/** `ids`: of the streams before it. */
function decodeStream(from: BinaryReader, ids: Set<number>): StreamTable {
  const id = from.u32();
  const blockCount = from.u32();
  const length = from.size(MAX_STREAM_PAGES);
  if (ids.has(id)) from.fail(`stream ${id} is there twice`);
  ids.add(id);
  if (blockCount * BLOCK_ENTRY > from.left) from.fail(`the table is too short for ${blockCount} blocks`);
  if ((blockCount === 0) !== (length === 0))
    from.fail(`stream ${id}: ${blockCount} blocks do not hold ${length} pages`);
  const blocks: IndexBlock[] = [];
  for (let index = 0; index < blockCount; index++) {
    const first = from.size(length);
    const offset = from.size(Number.MAX_SAFE_INTEGER);
    const extents = from.u32();
    from.u32();
    const checksum = from.u64();
    const inOrder = index === 0 ? first === 0 : first > blocks[index - 1].first;
    if (!inOrder || first >= length) from.fail(`stream ${id}, block ${index}: page ${first} is out of order`);
    if (extents < 1 || extents > BLOCK_EXTENTS) from.fail(`stream ${id}, block ${index}: ${extents} extents`);
    blocks.push({ first, offset, extents, checksum });
  }
  return { id, length, blocks };
}

/** Which pack a page is in; undefined: none. */
export function packOf(packs: readonly NumberedPack[], page: number): number | undefined {
  let low = 0;
  let high = packs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first, length } = packs[middle];
    if (page < first) high = middle;
    else if (page >= first + length) low = middle + 1;
    else return middle;
  }
  return undefined;
}

/**
 * The packs none of whose pages is equal to a page of the checkpoint's own pack, which is the last: whoever writes a
 * checkpoint refers to a page that he knows and does not store it again, and he knows all pages of each such pack.
 */
export function packsWithOtherPages({ packs }: PageTable): readonly NumberedPack[] {
  const { first, length } = packs.at(-1)!;
  return first + length > REMEMBERED_PAGES ? [] : packs.slice(0, -1);
}
