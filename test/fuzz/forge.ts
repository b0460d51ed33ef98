/** Makes the checksums of changed files right again, as someone does who forges a checkpoint. */
import { createHash } from "node:crypto";
import {
  DIGEST_SIZE,
  HEADER_SIZE,
  TABLE_BLOCK,
  TRAILER_SIZE,
  tableBlocks,
} from "../../ts-host/store/pack-format.ts";
import { REGION_ENTRY } from "../../ts-host/wasm/pages.ts";
import { checksum } from "../../ts-host/wasm/sums.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Offset of the directory of a metadata file; undefined: it is nowhere in the file. */
function directoryOf(content: Uint8Array): number | undefined {
  if (content.length < 96) return undefined;
  const offset = Number(viewOf(content).getBigUint64(32, true));
  return offset < 64 || offset > content.length - 32 ? undefined : offset;
}

export function resealMetadata(content: Uint8Array): void {
  const directory = directoryOf(content);
  if (directory === undefined) return;
  const view = viewOf(content);
  view.setBigUint64(48, checksum(content.subarray(directory, content.length - 32)), true);
  view.setBigUint64(56, checksum(content.subarray(0, 56)), true);
  content.set(sha256(content.subarray(0, -32)), content.length - 32);
}

/** Bytes before the entries of packs in a page table, and of an entry before the digest. */
const TABLE_HEAD = 16;
const BEFORE_DIGEST = 32;
/** Where a stream's first block has its offset, count of extents and checksum: after the stream's own numbers. */
const STREAM_HEAD = 16;

/** The pack's own checksums, and those that `metadata`, whose last block is the page table, has of it. */
export function resealPack(pack: Uint8Array, metadata: Uint8Array): void {
  if (pack.length < HEADER_SIZE + TRAILER_SIZE) return;
  const view = viewOf(pack);
  const trailer = pack.length - TRAILER_SIZE;
  const regions = Math.min(view.getUint32(trailer + 44, true), 10_000);
  const sums = trailer - 8 * tableBlocks(regions);
  const table = sums - regions * REGION_ENTRY;
  view.setBigUint64(HEADER_SIZE - 8, checksum(pack.subarray(0, HEADER_SIZE - 8)), true);
  if (table >= HEADER_SIZE) {
    view.setBigUint64(trailer + 24, BigInt(table), true);
    resealRegions(pack, table, regions, sums);
  }
  view.setBigUint64(pack.length - 8, checksum(pack.subarray(trailer, pack.length - 8)), true);
  const pageTable = directoryOf(metadata)! - pageTableLength(metadata);
  const digest = pageTable + TABLE_HEAD + BEFORE_DIGEST;
  metadata.set(sha256(pack.subarray(Math.max(0, sums))), digest);
  const block = digest + DIGEST_SIZE + STREAM_HEAD;
  const words = viewOf(metadata);
  const offset = Number(words.getBigUint64(block + 8, true));
  const length = words.getUint32(block + 16, true) * 8;
  words.setBigUint64(block + 24, checksum(pack.subarray(offset, offset + length)), true);
  resealMetadata(metadata);
}

function resealRegions(pack: Uint8Array, table: number, regions: number, sums: number): void {
  const view = viewOf(pack);
  for (let at = table; at < table + regions * REGION_ENTRY; at += REGION_ENTRY) {
    const offset = Number(view.getBigUint64(at, true));
    const stored = view.getUint32(at + 8, true);
    view.setBigUint64(at + 16, checksum(pack.subarray(offset, offset + stored)), true);
  }
  for (let block = 0; block < tableBlocks(regions); block++) {
    const from = table + block * TABLE_BLOCK * REGION_ENTRY;
    const to = Math.min(sums, from + TABLE_BLOCK * REGION_ENTRY);
    view.setBigUint64(sums + 8 * block, checksum(pack.subarray(from, to)), true);
  }
}

/** Length of the last block, by its entry in the directory. */
function pageTableLength(metadata: Uint8Array): number {
  const view = viewOf(metadata);
  const directory = directoryOf(metadata)!;
  const count = view.getUint32(directory, true);
  let at = directory + 8;
  for (let index = 0; index < count - 1; index++) at += 32 + ((view.getUint32(at + 24, true) + 7) & ~7);
  return Number(view.getBigUint64(at + 8, true));
}
