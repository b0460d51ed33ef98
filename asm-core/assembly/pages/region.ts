// Regions: pages that are compressed together and can be read back one by one.

import { lz4CompressWords, lz4Decompress } from "./lz4";
import { xxh64 } from "./checksum";

/** How a region is stored. */
export const AS_IT_IS: u32 = 0;
export const LZ4: u32 = 1;

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
