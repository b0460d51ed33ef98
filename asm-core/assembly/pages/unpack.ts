// Page pack -> memory pages: checks and decompresses one region at a time into slots that the host hands out.

import { xxh64 } from "./checksum";
import { lz4Decompress } from "./lz4";
import { MAX_REGION_PAGES, PAGE_SIZE } from "./page";

/** Regions that are kept decompressed. */
export const REGION_SLOTS: u32 = 16;
const SLOT_SIZE: u32 = MAX_REGION_PAGES * PAGE_SIZE;

export const REGION_GOOD: i32 = 0;
export const REGION_CHECKSUM_DIFFERS: i32 = 1;
export const REGION_MALFORMED: i32 = 2;

let slots: usize = 0;
let stage: usize = 0;

/** Gets the memory for slots and stage; to be called once before all else here. */
export function beginUnpack(): void {
  if (slots != 0) return;
  slots = heap.alloc((REGION_SLOTS + 1) * SLOT_SIZE);
  memory.fill(slots + REGION_SLOTS * SLOT_SIZE, 0, SLOT_SIZE);
  stage = heap.alloc(SLOT_SIZE);
}

/** Where the host puts the stored bytes of a compressed region (at most 64 KiB). */
export function regionStage(): usize {
  return stage;
}

/** Slot `index` from 0 on: 64 KiB. Slot REGION_SLOTS holds zeros: content of zero pages. */
export function regionSlot(index: u32): usize {
  return slots + <usize>index * SLOT_SIZE;
}

/**
 * Checks the `stored` bytes of a region, which lie in the stage if it is compressed, else in the slot itself,
 * and leaves its `length` bytes of pages in the slot. The sizes are at most 64 KiB.
 */
export function openRegion(index: u32, stored: u32, compressed: bool, checksum: u64, length: u32): i32 {
  const slot = regionSlot(index);
  const from = compressed ? stage : slot;
  if (xxh64(from, stored, 0) != checksum) return REGION_CHECKSUM_DIFFERS;
  if (!compressed) return stored == length ? REGION_GOOD : REGION_MALFORMED;
  return <u32>lz4Decompress(from, stored, slot, length) == length ? REGION_GOOD : REGION_MALFORMED;
}
