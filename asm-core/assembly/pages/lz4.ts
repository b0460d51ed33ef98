// LZ4 blocks (lz4_Block_format.md): two compressors of one format, and decompression of any block.
//
// Each has one hot loop in a function of its own, exported only so that the optimiser leaves it one: with the
// rare cases inlined, its values no longer fit the registers, which costs a fifth of the speed.

const MIN_MATCH: u32 = 4;
/** A block ends with at least 5 literals, and its last match begins at least 12 bytes before the end. */
const LAST_LITERALS: usize = 5;
const MATCH_MARGIN: usize = 12;

/** Bytes that the hot loops may read or write beyond what a sequence needs. */
const SLACK: u32 = 64;
/** Readable bytes that must lie before and behind what is compressed; `allocate` sees to it. */
export const INPUT_MARGIN: usize = 16;

/** Matches are searched within pieces of 64 KiB: positions are kept in 16 bits. */
const PIECE: usize = 65536;
const HASH_BITS: u32 = 13;
/** position (from the start of the piece) of the last place where a hash was seen */
const positions = memory.data(2 << 13, 16);

/** Where input is done and where output goes on, as the functions below leave them. */
let cursor: usize = 0;
let written: usize = 0;

// Compression.

/** Searched positions are further and further apart where nothing matches: after every 64 misses by one more. */
const SKIP_TRIGGER: u32 = 6;

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

/** Where the equal bytes at `a` and `b` end, of which `a` goes up to `limit`. */
// @ts-ignore: decorator
@inline
function endOfMatch(a: usize, b: usize, limit: usize): usize {
  let difference = load<u64>(a) ^ load<u64>(b);
  while (difference == 0) {
    a += 8;
    b += 8;
    if (a >= limit) break;
    difference = load<u64>(a) ^ load<u64>(b);
  }
  if (difference != 0) a += <usize>ctz(difference) >> 3;
  return min(a, limit);
}

/** Writes a sequence; returns where the next one goes. */
// @ts-ignore: decorator
@inline
function putSequence(to: usize, anchor: usize, literals: u32, distance: usize, extra: u32): usize {
  const token = to;
  let high = literals << 4;
  if (literals < 15) {
    v128.store(to, v128.load(anchor), 1);
    to += 1 + literals;
  } else {
    high = 0xf0;
    to = storeLength(to + 1, literals - 15);
    const end = to + literals;
    do {
      v128.store(to, v128.load(anchor));
      to += 16;
      anchor += 16;
    } while (to < end);
    to = end;
  }
  store<u16>(to, <u16>distance);
  to += 2;
  if (extra < 15) {
    store<u8>(token, high | extra);
    return to;
  }
  store<u8>(token, high | 15);
  return storeLength(to, extra - 15);
}

/**
 * Compresses the piece at `piece`; literals since `anchor` belong to its first sequence. Matches begin up to
 * `searchEnd` and end up to `matchEnd`.
 */
export function compressPiece(piece: usize, anchor: usize, to: usize, searchEnd: usize, matchEnd: usize): void {
  let at = max(piece, anchor) + 1;
  let misses: u32 = 1 << SKIP_TRIGGER;
  while (at <= searchEnd) {
    const sequence = load<u32>(at);
    const slot = slotOf(sequence);
    let match = piece + load<u16>(slot);
    store<u16>(slot, <u16>(at - piece));
    if (load<u32>(match) != sequence) {
      at += misses++ >> SKIP_TRIGGER;
      continue;
    }
    while (at > anchor) {
      if (match == piece) break;
      if (load<u8>(at - 1) != load<u8>(match - 1)) break;
      at--;
      match--;
    }
    const end = endOfMatch(at + MIN_MATCH, match + MIN_MATCH, matchEnd);
    to = putSequence(to, anchor, <u32>(at - anchor), at - match, <u32>(end - at) - MIN_MATCH);
    at = end;
    anchor = end;
    if (at <= searchEnd) store<u16>(slotOf(load<u32>(at - 2)), <u16>(at - 2 - piece));
    misses = 1 << SKIP_TRIGGER;
  }
  cursor = anchor;
  written = to;
}

/** Bytes that must agree where `compressWords` finds a match: less than a word, as pointers differ in their low bytes. */
const WORD_MATCH: u32 = 5;
const STEP: usize = 4;

// @ts-ignore: decorator
@inline
function wordSlot(word: u64): usize {
  const kept = word << (64 - 8 * WORD_MATCH);
  return positions + (<usize>((kept * 0x9e3779b185ebca87) >> (64 - HASH_BITS)) << 1);
}

/** As `compressPiece`, for memory: what programs keep there is aligned, so only every fourth position is searched. */
export function compressWords(piece: usize, anchor: usize, to: usize, searchEnd: usize, matchEnd: usize): void {
  let at = piece + ((max(piece, anchor) - piece + STEP) & ~(STEP - 1));
  let misses: u32 = 1 << SKIP_TRIGGER;
  while (at <= searchEnd) {
    const word = load<u64>(at);
    const slot = wordSlot(word);
    let match = piece + load<u16>(slot);
    store<u16>(slot, <u16>(at - piece));
    if ((load<u64>(match) ^ word) << (64 - 8 * WORD_MATCH) != 0) {
      at += (misses++ >> SKIP_TRIGGER) * <u32>STEP;
      continue;
    }
    const end = endOfMatch(at + WORD_MATCH, match + WORD_MATCH, matchEnd);
    const equal = <usize>clz(load<u64>(at - 8) ^ load<u64>(match - 8)) >> 3;
    const back = min(equal, min(at - anchor, match - piece));
    at -= back;
    match -= back;
    to = putSequence(to, anchor, <u32>(at - anchor), at - match, <u32>(end - at) - MIN_MATCH);
    anchor = end;
    at = piece + ((end - piece + (STEP - 1)) & ~(STEP - 1));
    misses = 1 << SKIP_TRIGGER;
  }
  cursor = anchor;
  written = to;
}

/** Most bytes that `length` bytes can become, with what the hot loops write beyond them. */
export function lz4Bound(length: u32): u32 {
  return length + length / 255 + SLACK;
}

/**
 * Compresses `length` bytes at `source` to `target`, which has room for `lz4Bound(length)`; returns how many
 * bytes there are. The same input gives the same output always; up to 64 KiB it is what liblz4 writes.
 */
export function lz4Compress(source: usize, length: u32, target: usize): u32 {
  return compress(source, length, target, false);
}

/** The same for memory of programs: much faster, and as small on the whole. */
export function lz4CompressWords(source: usize, length: u32, target: usize): u32 {
  return compress(source, length, target, true);
}

function compress(source: usize, length: u32, target: usize, words: bool): u32 {
  const end = source + length;
  cursor = source;
  written = target;
  if (length > <u32>MATCH_MARGIN) {
    const lastMatch = end - MATCH_MARGIN;
    const matchEnd = end - LAST_LITERALS;
    for (let piece = source; piece < lastMatch; piece += PIECE) {
      memory.fill(positions, 0, 2 << HASH_BITS);
      const searchEnd = min(piece + PIECE - 1, lastMatch);
      if (words) compressWords(piece, cursor, written, searchEnd, matchEnd);
      else compressPiece(piece, cursor, written, searchEnd, matchEnd);
    }
  }
  const literals = <u32>(end - cursor);
  let to = written;
  store<u8>(to++, min<u32>(literals, 15) << 4);
  if (literals >= 15) to = storeLength(to, literals - 15);
  memory.copy(to, cursor, literals);
  return <u32>(to + literals - target);
}

// Decompression.

/** For each distance below 16: the 16 bytes that a match of that distance repeats, as indices into its source. */
const patterns: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
], 16);
/** The largest multiple of each distance that is at most 16. */
const strides: usize = memory.data<u8>([16, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15]);

/** 16 bytes of what a match of less than 16 bytes' distance repeats. */
// @ts-ignore: decorator
@inline
function repeated(match: usize, distance: usize): v128 {
  return v128.swizzle(v128.load(match), v128.load(patterns + (distance << 4)));
}

/**
 * Sequences with short literals, far from both ends, as long as there are some from `from` on; goes on to
 * `cursor` and `written`. False: not a block.
 */
export function fastSequences(from: usize, to: usize, target: usize, fastEnd: usize, fastFull: usize): bool {
  while (from <= fastEnd) {
    if (to > fastFull) break;
    const token = <u32>load<u8>(from);
    if (token >= 0xf0) break;
    const literals = v128.load(from, 1);
    from += token >> 4;
    const distance = <usize>load<u16>(from, 1);
    v128.store(to, literals);
    to += token >> 4;
    if (distance - 1 >= to - target) return false;
    const match = to - distance;
    const extra = token & 15;
    if (extra < 15) {
      if (distance >= 8) {
        store<u64>(to, load<u64>(match));
        store<u64>(to, load<u64>(match, 8), 8);
        store<u16>(to, load<u16>(match, 16), 16);
      } else if (distance == 2) {
        const pattern = i16x8.splat(load<u16>(match));
        v128.store(to, pattern);
        v128.store(to, pattern, 16);
      } else {
        const pattern = repeated(match, distance);
        v128.store(to, pattern);
        v128.store(to + load<u8>(strides + distance), pattern);
      }
      to += extra + MIN_MATCH;
      from += 3;
    } else {
      const more = <u32>load<u8>(from, 3);
      const stop = to + more + (15 + MIN_MATCH);
      if (more == 255 || stop > fastFull || distance < 16) {
        to -= token >> 4;
        from -= token >> 4;
        break;
      }
      let source = match;
      do {
        v128.store(to, v128.load(source));
        v128.store(to, v128.load(source, 16), 16);
        to += 32;
        source += 32;
      } while (to < stop);
      to = stop;
      from += 4;
    }
  }
  cursor = from;
  written = to;
  return true;
}

/** The rest of a length whose first part was 15, from `cursor` on; moves `cursor`. -1: no end, or over `limit`. */
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

/** Copies in steps of 16 bytes where neither buffer ends within the last step. */
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
function copyMatch(to: usize, distance: usize, length: usize, toEnd: usize): void {
  const stop = to + length;
  let from = to - distance;
  if (stop + 16 > toEnd) {
    while (to < stop) store<u8>(to++, load<u8>(from++));
  } else if (distance >= 16) {
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < stop);
  } else {
    const pattern = repeated(from, distance);
    const stride = <usize>load<u8>(strides + distance);
    do {
      v128.store(to, pattern);
      to += stride;
    } while (to < stop);
  }
}

const BLOCK_ENDS: i32 = 0;
const BLOCK_GOES_ON: i32 = 1;
const NOT_A_BLOCK: i32 = -1;

/** Any one sequence from `cursor` to `written`, every length checked. */
function anySequence(end: usize, target: usize, full: usize): i32 {
  let to = written;
  const limit = <u32>(full - target);
  if (cursor >= end) return NOT_A_BLOCK;
  const token = <u32>load<u8>(cursor++);
  let literals = <usize>(token >> 4);
  if (literals == 15) {
    const rest = lengthRest(end, limit);
    if (rest < 0) return NOT_A_BLOCK;
    literals += rest;
  }
  if (literals > end - cursor || literals > full - to) return NOT_A_BLOCK;
  copyLiterals(to, cursor, literals, full, end);
  cursor += literals;
  to += literals;
  written = to;
  if (cursor == end) return BLOCK_ENDS;
  if (end - cursor < 2) return NOT_A_BLOCK;
  const distance = <usize>load<u16>(cursor);
  cursor += 2;
  if (distance - 1 >= to - target) return NOT_A_BLOCK;
  let length = <usize>(token & 15);
  if (length == 15) {
    const rest = lengthRest(end, limit);
    if (rest < 0) return NOT_A_BLOCK;
    length += rest;
  }
  length += MIN_MATCH;
  if (length > full - to) return NOT_A_BLOCK;
  copyMatch(to, distance, length, full);
  written = to + length;
  return BLOCK_GOES_ON;
}

/**
 * Decompresses the block of `length` bytes at `source` to at most `capacity` bytes (less than 2 GiB) at `target`.
 * Returns how many bytes there were, or -1 when the block is not one or its content does not fit.
 * Reads and writes nothing outside of the two buffers, whatever the block says.
 */
export function lz4Decompress(source: usize, length: u32, target: usize, capacity: u32): i32 {
  const end = source + length;
  const full = target + capacity;
  const fastEnd = length >= 32 ? end - 32 : source - 1;
  const fastFull = capacity >= SLACK ? full - SLACK : target - 1;
  cursor = source;
  written = target;
  let state: i32;
  do {
    if (!fastSequences(cursor, written, target, fastEnd, fastFull)) return -1;
    state = anySequence(end, target, full);
  } while (state == BLOCK_GOES_ON);
  return state == BLOCK_ENDS ? <i32>(written - target) : -1;
}
