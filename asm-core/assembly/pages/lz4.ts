// LZ4 blocks (lz4_Block_format.md): compression of up to 64 KiB at once, decompression of any block.
// Both move 16 bytes at a time and stay inside the buffers that they are given.

/** Most bytes that `lz4Compress` takes: positions are kept in 16 bits. */
export const LZ4_MAX_INPUT: u32 = 65536;

const MIN_MATCH: u32 = 4;
/** A block ends with at least 5 literals, and its last match begins at least 12 bytes before the end. */
const LAST_LITERALS: usize = 5;
const MATCH_MARGIN: usize = 12;
/** Searched positions are further and further apart where nothing matches: after every 64 misses by one more. */
const SKIP_TRIGGER: u32 = 6;

const HASH_BITS: u32 = 13;
/** position (from the start of the input) of the last place where a hash was seen */
const positions = memory.data(2 << 13, 16);

// @ts-ignore: decorator
@inline
function slotOf(sequence: u32): usize {
  return positions + (<usize>((sequence * 2654435761) >> (32 - HASH_BITS)) << 1);
}

/** Stores the rest of a length whose first part (15) is in the token. */
// @ts-ignore: decorator
@inline
function storeLength(to: usize, rest: u32): usize {
  for (; rest >= 255; rest -= 255) store<u8>(to++, 255);
  store<u8>(to++, rest);
  return to;
}

/** Number of equal bytes at `a` and `b`, where `a` ends at `limit`. */
// @ts-ignore: decorator
@inline
function matchLength(a: usize, b: usize, limit: usize): u32 {
  const start = a;
  while (a + 8 <= limit) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return <u32>(a - start) + (<u32>ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a < limit && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return <u32>(a - start);
}

/**
 * Compresses `length` bytes (at most LZ4_MAX_INPUT) at `source` to `target`.
 * Returns the number of bytes written, or 0 when that would be more than `capacity`.
 * The same input gives the same output always.
 */
export function lz4Compress(source: usize, length: u32, target: usize, capacity: u32): u32 {
  const end = source + length;
  const full = target + capacity;
  let to = target;
  let anchor = source;
  if (length > <u32>MATCH_MARGIN) {
    const searchEnd = end - MATCH_MARGIN;
    const matchEnd = end - LAST_LITERALS;
    memory.fill(positions, 0, 2 << HASH_BITS);
    let at = source + 1;
    let misses: u32 = 1 << SKIP_TRIGGER;
    while (at <= searchEnd) {
      const sequence = load<u32>(at);
      const slot = slotOf(sequence);
      let match = source + load<u16>(slot);
      store<u16>(slot, <u16>(at - source));
      if (load<u32>(match) != sequence) {
        at += misses++ >> SKIP_TRIGGER;
        continue;
      }
      while (at > anchor && match > source && load<u8>(at - 1) == load<u8>(match - 1)) {
        at--;
        match--;
      }
      const literals = <u32>(at - anchor);
      const extra = matchLength(at + MIN_MATCH, match + MIN_MATCH, matchEnd);
      if (to + literals + literals / 255 + extra / 255 + 5 > full) return 0;
      const token = to++;
      if (literals >= 15) to = storeLength(to, literals - 15);
      copyLiterals(to, anchor, literals, full, end);
      to += literals;
      store<u16>(to, <u16>(at - match));
      to += 2;
      if (extra >= 15) to = storeLength(to, extra - 15);
      store<u8>(token, (min<u32>(literals, 15) << 4) | min<u32>(extra, 15));
      at += MIN_MATCH + extra;
      anchor = at;
      if (at <= searchEnd) store<u16>(slotOf(load<u32>(at - 2)), <u16>(at - 2 - source));
      misses = 1 << SKIP_TRIGGER;
    }
  }
  const literals = <u32>(end - anchor);
  if (to + literals + literals / 255 + 2 > full) return 0;
  store<u8>(to++, min<u32>(literals, 15) << 4);
  if (literals >= 15) to = storeLength(to, literals - 15);
  memory.copy(to, anchor, literals);
  return <u32>(to + literals - target);
}

/** Copies in steps of 16 bytes where neither buffer ends within the last step. */
// @ts-ignore: decorator
@inline
function copyLiterals(to: usize, from: usize, length: usize, toEnd: usize, fromEnd: usize): void {
  if (to + length + 16 <= toEnd && from + length + 16 <= fromEnd) {
    const stop = to + length;
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < stop);
  } else {
    memory.copy(to, from, length);
  }
}

/** Copies a match, whose source may run into its target: with distance 1 one byte is repeated. */
// @ts-ignore: decorator
@inline
function copyMatch(to: usize, distance: usize, length: usize, toEnd: usize): void {
  const stop = to + length;
  let from = to - distance;
  if (stop + 16 <= toEnd) {
    if (distance >= 16) {
      do {
        v128.store(to, v128.load(from));
        to += 16;
        from += 16;
      } while (to < stop);
      return;
    }
    if (distance < 8) {
      // After 8 single bytes the same pattern also lies a multiple of the distance, 8 or more, further back.
      for (let i: usize = 0; i < 8; i++) store<u8>(to + i, load<u8>(from + i));
      to += 8;
      from = to - ((7 + distance) / distance) * distance;
    }
    while (to < stop) {
      store<u64>(to, load<u64>(from));
      to += 8;
      from += 8;
    }
    return;
  }
  while (to < stop) store<u8>(to++, load<u8>(from++));
}

/** The rest of a length whose first part was 15, from `cursor` on; moves `cursor`. -1: no end, or over `limit`. */
let cursor: usize = 0;
function lengthRest(end: usize, limit: u32): i32 {
  let length: u32 = 0;
  let more: u32;
  do {
    if (cursor >= end) return -1;
    more = load<u8>(cursor++);
    length += more;
    if (length > limit) return -1;
  } while (more == 255);
  return length;
}

/**
 * Decompresses the block of `length` bytes at `source` to at most `capacity` bytes (less than 2 GiB) at `target`.
 * Returns how many bytes there were, or -1 when the block is not one or its content does not fit.
 * Reads and writes nothing outside of the two buffers, whatever the block says.
 */
export function lz4Decompress(source: usize, length: u32, target: usize, capacity: u32): i32 {
  const end = source + length;
  const full = target + capacity;
  let from = source;
  let to = target;
  while (from < end) {
    const token = <u32>load<u8>(from++);
    let literals = <usize>(token >> 4);
    let matched = <usize>(token & 15);
    let distance: usize;

    if (literals < 15 && from + 18 <= end && to + 34 <= full) {
      // The usual sequence, short and far from both ends: no loops.
      v128.store(to, v128.load(from));
      from += literals;
      to += literals;
      distance = load<u16>(from);
      from += 2;
      if (matched < 15 && distance >= 8 && distance <= to - target) {
        const match = to - distance;
        store<u64>(to, load<u64>(match));
        store<u64>(to, load<u64>(match, 8), 8);
        store<u16>(to, load<u16>(match, 16), 16);
        to += matched + MIN_MATCH;
        continue;
      }
    } else {
      if (literals == 15) {
        cursor = from;
        const rest = lengthRest(end, capacity);
        if (rest < 0) return -1;
        from = cursor;
        literals += rest;
      }
      if (literals > end - from || literals > full - to) return -1;
      copyLiterals(to, from, literals, full, end);
      from += literals;
      to += literals;
      if (from == end) return <i32>(to - target);
      if (end - from < 2) return -1;
      distance = load<u16>(from);
      from += 2;
    }

    if (distance == 0 || distance > to - target) return -1;
    if (matched == 15) {
      cursor = from;
      const rest = lengthRest(end, capacity);
      if (rest < 0) return -1;
      from = cursor;
      matched += rest;
    }
    matched += MIN_MATCH;
    if (matched > full - to) return -1;
    copyMatch(to, distance, matched, full);
    to += matched;
  }
  return -1;
}
