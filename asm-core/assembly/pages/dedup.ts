// Which page content is already there: hash of 192 bits -> number of the page. Fresh memory is the dearest thing
// here, so records lie close together, one after the other, and the open-addressing table holds only their indices.

import { hash0, hash1, hash2 } from "./page";

/** A record: three words of hash, then the page's number. */
const RECORD: usize = 28;
/** Records are kept in blocks, so that they stay where they are as more come. */
const BLOCK_BITS: u32 = 11;
const BLOCK_RECORDS: u32 = 1 << BLOCK_BITS;

/** A slot of the table: bits of the hash above, index of a record + 1 below (0: empty slot). */
const SLOT: usize = 4;
const INDEX_BITS: u32 = 22;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const FIRST_CAPACITY: u32 = 1 << 12;
/**
 * The table stops growing at 3 million pages, 12 GiB of different content: with the records, 100 MiB. That no page is
 * stored twice until then, readers of the format rely on.
 */
const LAST_CAPACITY: u32 = 1 << INDEX_BITS;
/** Bytes of a hash where hashes are kept one after the other. */
export const HASH_SIZE: usize = 24;

let table: usize = 0;
let capacity: u32 = 0;
let used: u32 = 0;
/** Where each block of records is. */
const blocks = memory.data(4 << (INDEX_BITS - BLOCK_BITS), 4);
let blockCount: u32 = 0;

export function resetDedup(): void {
  if (table == 0) allocateTable(FIRST_CAPACITY);
  else memory.fill(table, 0, <usize>capacity * SLOT);
  used = 0;
}

function allocateTable(wanted: u32): void {
  table = heap.alloc(<usize>wanted * SLOT);
  capacity = wanted;
  memory.fill(table, 0, <usize>wanted * SLOT);
}

/** A product of the sum, whose upper half is used: the low bits of an NH sum alone are not evenly spread. */
// @ts-ignore: decorator
@inline
function mixed(first: u64, second: u64): u64 {
  return (first ^ rotl<u64>(second, 32)) * 0x9e3779b97f4a7c15;
}

// @ts-ignore: decorator
@inline
function home(mix: u64): u32 {
  return <u32>(mix >> 32) & (capacity - 1);
}

/** What the slot of a hash has above the index. */
// @ts-ignore: decorator
@inline
function tag(mix: u64): u32 {
  return <u32>(mix >> 32) & ~INDEX_MASK;
}

// @ts-ignore: decorator
@inline
function record(index: u32): usize {
  return <usize>load<u32>(blocks + ((index >> BLOCK_BITS) << 2)) + <usize>(index & (BLOCK_RECORDS - 1)) * RECORD;
}

// @ts-ignore: decorator
@inline
function slotAt(place: u32): usize {
  return table + <usize>place * SLOT;
}

function growTo(wanted: u32): void {
  heap.free(table);
  allocateTable(wanted);
  for (let index: u32 = 0; index < used; index++) {
    const at = record(index);
    const mix = mixed(load<u64>(at), load<u64>(at, 8));
    let place = home(mix);
    while (load<u32>(slotAt(place)) != 0) place = (place + 1) & (capacity - 1);
    store<u32>(slotAt(place), tag(mix) | (index + 1));
  }
}

/**
 * The number under which a hash is known; `fresh` when it is new, and then it is known under that number from
 * now on. Once the table is full, new pages are not remembered any more.
 */
function numberOf(first: u64, second: u64, third: u64, fresh: u32): u32 {
  if (used >= (capacity >> 2) * 3 && capacity < LAST_CAPACITY) growTo(capacity << 1);
  const mix = mixed(first, second);
  let place = home(mix);
  for (; ; place = (place + 1) & (capacity - 1)) {
    const slot = load<u32>(slotAt(place));
    if (slot == 0) break;
    if (((slot ^ <u32>(mix >> 32)) & ~INDEX_MASK) != 0) continue;
    const at = record((slot & INDEX_MASK) - 1);
    if (load<u64>(at) == first && load<u64>(at, 8) == second && load<u64>(at, 16) == third) return load<u32>(at, 24);
  }
  if (used >= (capacity >> 2) * 3) return fresh;
  if (used >> BLOCK_BITS == blockCount) addBlock();
  const at = record(used);
  store<u64>(at, first);
  store<u64>(at, second, 8);
  store<u64>(at, third, 16);
  store<u32>(at, fresh, 24);
  used++;
  store<u32>(slotAt(place), tag(mix) | used);
  return fresh;
}

function addBlock(): void {
  store<u32>(blocks + (<usize>blockCount << 2), heap.alloc(<usize>BLOCK_RECORDS * RECORD));
  blockCount++;
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
