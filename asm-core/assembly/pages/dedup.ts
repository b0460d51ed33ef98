// Which page content is already there: an open-addressing table, hash of 192 bits -> number of the page.

import { hash0, hash1, hash2 } from "./page";

/** A slot: three words of hash, then the page's number + 1 (0: empty slot). */
const SLOT: usize = 32;
const FIRST_CAPACITY: u32 = 1 << 10;
/** The table stops growing at 128 MiB: 3 million pages, 12 GiB of different content. */
const LAST_CAPACITY: u32 = 1 << 22;
/** Bytes of a hash where hashes are kept one after the other. */
export const HASH_SIZE: usize = 24;

let table: usize = 0;
let capacity: u32 = 0;
let used: u32 = 0;

export function resetDedup(): void {
  if (table == 0) growTo(FIRST_CAPACITY);
  else memory.fill(table, 0, <usize>capacity * SLOT);
  used = 0;
}

/** The middle bits of a product of the sum: the low bits of an NH sum alone are not evenly spread. */
// @ts-ignore: decorator
@inline
function home(first: u64, second: u64): u32 {
  return <u32>(((first ^ rotl<u64>(second, 32)) * 0x9e3779b97f4a7c15) >> 32) & (capacity - 1);
}

function growTo(wanted: u32): void {
  const old = table;
  const oldEnd = table + <usize>capacity * SLOT;
  table = heap.alloc(<usize>wanted * SLOT);
  capacity = wanted;
  memory.fill(table, 0, <usize>wanted * SLOT);
  for (let slot = old; slot < oldEnd; slot += SLOT) {
    if (load<u32>(slot, 24) == 0) continue;
    let index = home(load<u64>(slot), load<u64>(slot, 8));
    while (load<u32>(table + <usize>index * SLOT, 24) != 0) index = (index + 1) & (capacity - 1);
    memory.copy(table + <usize>index * SLOT, slot, SLOT);
  }
  if (old != 0) heap.free(old);
}

/**
 * The number under which a hash is known; `fresh` when it is new, and then it is known under that number from
 * now on. Once the table is full, new pages are not remembered any more.
 */
function numberOf(first: u64, second: u64, third: u64, fresh: u32): u32 {
  if (used >= (capacity >> 2) * 3 && capacity < LAST_CAPACITY) growTo(capacity << 1);
  let slot: usize;
  for (let index = home(first, second); ; index = (index + 1) & (capacity - 1)) {
    slot = table + <usize>index * SLOT;
    const page = load<u32>(slot, 24);
    if (page == 0) break;
    if (load<u64>(slot) == first && load<u64>(slot, 8) == second && load<u64>(slot, 16) == third) return page - 1;
  }
  if (used >= (capacity >> 2) * 3) return fresh;
  store<u64>(slot, first);
  store<u64>(slot, second, 8);
  store<u64>(slot, third, 16);
  store<u32>(slot, fresh + 1, 24);
  used++;
  return fresh;
}

/** The number of the page that was hashed last. */
export function knownAs(fresh: u32): u32 {
  return numberOf(hash0, hash1, hash2, fresh);
}

/** `count` hashes at `hashes`, of pages that are there already, numbered from `first` on. */
export function addKnownPages(hashes: usize, count: u32, first: u32): void {
  for (let page: u32 = 0; page < count; page++, hashes += HASH_SIZE) {
    numberOf(load<u64>(hashes), load<u64>(hashes, 8), load<u64>(hashes, 16), first + page);
  }
}
