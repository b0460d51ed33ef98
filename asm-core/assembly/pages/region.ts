// Regions: pages that are compressed together and can be read back one by one.

import { lz4CompressWords, lz4Decompress } from "./lz4";
import { xxh64 } from "./checksum";

/** How a region is stored. */
export const AS_IT_IS: u32 = 0;
export const LZ4: u32 = 1;
export const ZSTD: u32 = 2;

/** Of the region that was sealed last. */
let encoding: u32 = AS_IT_IS;
let checksum: u64 = 0;

export function sealedEncoding(): u32 {
  return encoding;
}

/** XXH64 of the stored bytes. */
export function sealedChecksum(): u64 {
  return checksum;
}

/**
 * Compresses the `length` bytes at `pages` to `target`, which has room for `lz4Bound(length)`, and returns how many
 * bytes they became: as they are unless compression saves a sixteenth.
 */
export function sealRegion(pages: usize, length: u32, target: usize): u32 {
  let stored: u32 = lz4CompressWords(pages, length, target);
  encoding = stored < length - (length >> 4) ? LZ4 : AS_IT_IS;
  if (encoding == AS_IT_IS) {
    memory.copy(target, pages, length);
    stored = length;
  }
  checksum = xxh64(target, stored, 0);
  return stored;
}

/** A region in the table of a pack: u64 offset in the file, u32 bytes stored, u32 encoding, u64 checksum. */
const ROW: usize = 24;
const STORED: usize = 8;
const ENCODING: usize = 12;
const CHECKSUM: usize = 16;

/** Whether a region of `size` bytes of pages can be as its row says, in a file whose regions end at `end`. */
function isPossible(row: usize, size: u32, end: u64): bool {
  const stored = load<u32>(row, STORED);
  const encoding = load<u32>(row, ENCODING);
  if (encoding > ZSTD) return false;
  if (encoding == AS_IT_IS ? stored != size : stored >= size) return false;
  return stored <= end && load<u64>(row) <= end - stored;
}

/**
 * How many of the regions whose rows are at `rows` lie one after the other, each as its row may be. Together they
 * have `length` bytes of pages, `size` in each but the last.
 */
export function adjoiningRegions(rows: usize, size: u32, length: u32, end: u64): u32 {
  let next = load<u64>(rows);
  let count: u32 = 0;
  for (let row = rows; length > 0; row += ROW, count++) {
    const own = min(size, length);
    if (load<u64>(row) != next || !isPossible(row, own, end)) break;
    next += load<u32>(row, STORED);
    length -= own;
  }
  return count;
}

/**
 * Opens regions whose stored bytes lie from `from` on, one after the other; their pages go to `pages` on, where they
 * lie already if all are stored as they are. Rows, `size` and `length` as above. False: one of them is not good, or
 * is of zstd, which the core has not.
 */
export function openRegions(rows: usize, size: u32, length: u32, from: usize, pages: usize): bool {
  for (let row = rows; length > 0; row += ROW) {
    const own = min(size, length);
    const stored = load<u32>(row, STORED);
    const encoding = load<u32>(row, ENCODING);
    if (encoding == ZSTD) return false;
    if (openRegion(from, stored, encoding, load<u64>(row, CHECKSUM), pages, own) != REGION_GOOD) return false;
    from += stored;
    pages += own;
    length -= own;
  }
  return true;
}

export const REGION_GOOD: i32 = 0;
export const REGION_CHECKSUM_DIFFERS: i32 = 1;
export const REGION_MALFORMED: i32 = 2;

/**
 * Checks the `stored` bytes at `from` and leaves the `length` bytes of pages that they hold at `pages`, where what is
 * stored as it is may lie already.
 */
export function openRegion(from: usize, stored: u32, encoding: u32, checksum: u64, pages: usize, length: u32): i32 {
  if (xxh64(from, stored, 0) != checksum) return REGION_CHECKSUM_DIFFERS;
  if (encoding == AS_IT_IS) {
    if (stored != length) return REGION_MALFORMED;
    if (from != pages) memory.copy(pages, from, length);
    return REGION_GOOD;
  }
  return <u32>lz4Decompress(from, stored, pages, length) == length ? REGION_GOOD : REGION_MALFORMED;
}
