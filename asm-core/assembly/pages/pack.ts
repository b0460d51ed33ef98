// Memory pages -> page pack: zero test, hash and dedup, a chunk at a time. What is new gathers in a buffer, from
// which the host takes it region by region. A chunk is put behind what is there, so that new pages stay where they
// are until one is found that is not new. One pack at a time in one instance of the core.

import { allocate } from "../memory";
import { HASH_SIZE, knownAs, resetDedup } from "./dedup";
import { hashPage, isZeroPage, MAX_REGION_PAGES, PAGE_SIZE, storeHash } from "./page";

/** Pages that one call of `packPages` takes. */
export const CHUNK_PAGES: u32 = 64;
/** The page of an extent that is all zero. */
export const ZERO_PAGE: u32 = 0xffffffff;

/** An extent: u32 count of pages, u32 number of the first, or ZERO_PAGE. */
const EXTENT_RECORD: usize = 8;

let extents: usize = 0;
let fresh: usize = 0;
let hashes: usize = 0;

let nextPage: u32 = 0;
let extentCount: u32 = 0;
/** Pages in the buffer of new ones, and how many of them the last chunk added. */
let freshPages: u32 = 0;
let addedPages: u32 = 0;

/** Begins an empty pack whose first page gets the number `first`. The key of the hash must have been set. */
export function beginPack(first: u32): void {
  if (fresh == 0) {
    extents = heap.alloc(<usize>CHUNK_PAGES * EXTENT_RECORD);
    fresh = allocate((CHUNK_PAGES + MAX_REGION_PAGES) * PAGE_SIZE);
    hashes = heap.alloc(<usize>CHUNK_PAGES * HASH_SIZE);
  }
  nextPage = first;
  freshPages = 0;
  resetDedup();
}

/** Where the host puts the CHUNK_PAGES pages of the next chunk: behind the new ones that it has not taken yet. */
export function packInput(): usize {
  return endOfFresh();
}

// @ts-ignore: decorator
@inline
function endOfFresh(): usize {
  return fresh + <usize>freshPages * PAGE_SIZE;
}

/** Where the pages of the last chunk are. */
export function packExtents(): usize {
  return extents;
}

export function packExtentCount(): u32 {
  return extentCount;
}

/** New pages, one after the other: those that the host has not taken yet, then what the last chunk added. */
export function packFresh(): usize {
  return fresh;
}

export function packFreshPages(): u32 {
  return freshPages;
}

/** HASH_SIZE bytes for each new page of the last chunk. */
export function packHashes(): usize {
  return hashes;
}

export function packAddedPages(): u32 {
  return addedPages;
}

/** The first `count` new pages are taken; the others move up. */
export function packTake(count: u32): void {
  freshPages -= count;
  memory.copy(fresh, fresh + <usize>count * PAGE_SIZE, <usize>freshPages * PAGE_SIZE);
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

/**
 * Packs the first `count` pages of the input; less than MAX_REGION_PAGES new ones may be left from before. False
 * when there are no numbers left for more pages.
 */
export function packPages(count: u32): bool {
  extentCount = 0;
  addedPages = 0;
  if (nextPage > ZERO_PAGE - 1 - CHUNK_PAGES) return false;
  for (let page = endOfFresh(), end = page + <usize>count * PAGE_SIZE; page < end; page += PAGE_SIZE) {
    if (isZeroPage(page)) {
      addExtent(ZERO_PAGE);
      continue;
    }
    hashPage(page);
    const number = knownAs(nextPage);
    addExtent(number);
    if (number != nextPage) continue;
    storeHash(hashes + <usize>addedPages * HASH_SIZE);
    if (page != endOfFresh()) memory.copy(endOfFresh(), page, PAGE_SIZE);
    nextPage++;
    addedPages++;
    freshPages++;
  }
  return true;
}
