// Memory pages -> page pack: zero test, hash, dedup, compression of full regions, checksums; a chunk at a time.
// One pack at a time in one instance of the core.

import { allocate } from "../memory";
import { xxh64 } from "./checksum";
import { knownAs, resetDedup } from "./dedup";
import { lz4CompressWords } from "./lz4";
import { hashPage, isZeroPage, MAX_REGION_PAGES, PAGE_SIZE } from "./page";

/** Pages that one call of `packPages` takes. */
export const CHUNK_PAGES: u32 = 256;
/** The page of an extent that is all zero. */
export const ZERO_PAGE: u32 = 0xffffffff;

/** A region as it is described to the host: u32 bytes stored, u32 1 if compressed, u64 checksum of those bytes. */
const REGION_RECORD: usize = 16;
/** An extent: u32 count of pages, u32 number of the first in the pack, or ZERO_PAGE. */
const EXTENT_RECORD: usize = 8;

let input: usize = 0;
let output: usize = 0;
let regions: usize = 0;
let extents: usize = 0;
let region: usize = 0;

let regionPages: u32 = 0;
let compress: bool = false;
let pagesInRegion: u32 = 0;
let pagesInPack: u32 = 0;
let outputLength: u32 = 0;
let regionCount: u32 = 0;
let extentCount: u32 = 0;

/** Begins a new, empty pack with regions of `pages` pages. The key of the hash must have been set. */
export function beginPack(pages: u32, compressed: bool): void {
  if (input == 0) {
    input = heap.alloc(CHUNK_PAGES * PAGE_SIZE);
    output = heap.alloc((CHUNK_PAGES + MAX_REGION_PAGES) * PAGE_SIZE);
    regions = heap.alloc(<usize>(CHUNK_PAGES + 1) * REGION_RECORD);
    extents = heap.alloc(<usize>CHUNK_PAGES * EXTENT_RECORD);
    region = allocate(MAX_REGION_PAGES * PAGE_SIZE);
  }
  regionPages = pages;
  compress = compressed;
  pagesInRegion = 0;
  pagesInPack = 0;
  resetDedup();
  beginChunk();
}

/** Where the host puts the CHUNK_PAGES pages of the next chunk. */
export function packInput(): usize {
  return input;
}

/** The bytes that the last call of `packPages` or `flushPack` adds to the pack. */
export function packOutput(): usize {
  return output;
}

export function packOutputLength(): u32 {
  return outputLength;
}

/** The regions in those bytes. */
export function packRegions(): usize {
  return regions;
}

export function packRegionCount(): u32 {
  return regionCount;
}

/** Where the pages of the last chunk are. */
export function packExtents(): usize {
  return extents;
}

export function packExtentCount(): u32 {
  return extentCount;
}

/** Number of different pages that are not zero, so far. */
export function packLength(): u32 {
  return pagesInPack;
}

function beginChunk(): void {
  outputLength = 0;
  regionCount = 0;
  extentCount = 0;
}

function addExtent(page: u32): void {
  if (extentCount != 0) {
    const last = extents + <usize>(extentCount - 1) * EXTENT_RECORD;
    const count = load<u32>(last);
    const first = load<u32>(last, 4);
    const follows = first == ZERO_PAGE ? page == ZERO_PAGE : page == first + count;
    if (follows) {
      store<u32>(last, count + 1);
      return;
    }
  }
  const extent = extents + <usize>extentCount * EXTENT_RECORD;
  store<u32>(extent, 1);
  store<u32>(extent, page, 4);
  extentCount++;
}

function closeRegion(): void {
  const length = pagesInRegion * PAGE_SIZE;
  const to = output + outputLength;
  let stored: u32 = compress ? lz4CompressWords(region, length, to) : length;
  const compressed = stored < length - (length >> 4);
  if (!compressed) {
    memory.copy(to, region, length);
    stored = length;
  }
  const record = regions + <usize>regionCount * REGION_RECORD;
  store<u32>(record, stored);
  store<u32>(record, compressed ? 1 : 0, 4);
  store<u64>(record, xxh64(to, stored, 0), 8);
  regionCount++;
  outputLength += stored;
  pagesInRegion = 0;
}

/** Packs the first `count` pages of the input. False when the pack has no numbers left for more pages. */
export function packPages(count: u32): bool {
  beginChunk();
  if (pagesInPack > ZERO_PAGE - 1 - CHUNK_PAGES) return false;
  for (let page = input, end = input + <usize>count * PAGE_SIZE; page < end; page += PAGE_SIZE) {
    if (isZeroPage(page)) {
      addExtent(ZERO_PAGE);
      continue;
    }
    hashPage(page);
    const number = knownAs(pagesInPack);
    addExtent(number);
    if (number != pagesInPack) continue;
    memory.copy(region + <usize>pagesInRegion * PAGE_SIZE, page, PAGE_SIZE);
    pagesInPack++;
    pagesInRegion++;
    if (pagesInRegion == regionPages) closeRegion();
  }
  return true;
}

/** Closes the last region, if it holds pages. */
export function flushPack(): void {
  beginChunk();
  if (pagesInRegion != 0) closeRegion();
}
