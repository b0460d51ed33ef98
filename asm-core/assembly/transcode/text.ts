/** The text of JSON, all of it ASCII: a buffer that grows, and numbers, strings and bytes in the ways of crit. */

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const NEWLINE: u8 = 10;

const FIRST_CAPACITY: usize = 1 << 20;
/** What may be written after `room` beyond that for which it was asked: a number, the rest of 16 bytes. */
const SLACK: usize = 64;

let start: usize = 0;
let capacity: usize = 0;
/** Beyond this there is SLACK only. */
let limit: usize = 0;
let cursor: usize = 0;
/** Whether it is over several lines. */
export let pretty: bool = false;

export function beginText(isPretty: bool): void {
  if (!capacity) useBuffer(FIRST_CAPACITY);
  pretty = isPretty;
  cursor = start;
}

function useBuffer(size: usize): void {
  capacity = size;
  start = heap.alloc(size);
  limit = start + size - SLACK;
}

export function textStart(): usize {
  return start;
}

export function textLength(): usize {
  return cursor - start;
}

/** Takes away what follows the first `length` characters. */
export function cutText(length: usize): void {
  cursor = start + length;
}

// @ts-ignore: decorator
@inline
export function room(bytes: usize): void {
  if (cursor + bytes > limit) grow(bytes);
}

function grow(bytes: usize): void {
  const before = start;
  const length = cursor - start;
  let size = capacity;
  while (length + bytes + SLACK > size) size *= 2;
  useBuffer(size);
  memory.copy(start, before, length);
  cursor = start + length;
}

// @ts-ignore: decorator
@inline
export function put(byte: u8): void {
  store<u8>(cursor++, byte);
}

/** Four characters. There is room. */
// @ts-ignore: decorator
@inline
export function putFour(characters: u32): void {
  store<u32>(cursor, characters);
  cursor += 4;
}

/** Copies 16 bytes at a time: what follows the text does not matter. There is room. */
// @ts-ignore: decorator
@inline
export function putShort(text: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 16) v128.store(cursor + at, v128.load(text + at));
  cursor += length;
}

/** A new line, where lines are asked for. */
export function putLine(indent: u32): void {
  if (!pretty) return;
  room(indent + 1);
  put(NEWLINE);
  const blanks = i8x16.splat(0x20);
  for (let at: u32 = 0; at < indent; at += 16) v128.store(cursor + at, blanks);
  cursor += indent;
}

/** What stands between two elements, or before the first. */
export function putSeparator(isFirst: bool, indent: u32): void {
  room(2);
  if (!isFirst) put(0x2c);
  if (pretty) putLine(indent);
  else if (!isFirst) put(0x20);
}

// Numbers.

/** Powers of ten. */
const powers = memory.data<u64>([
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
  1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
  1000000000000000000, 10000000000000000000,
]);

/** There is room. */
export function putDecimal(value: u64): void {
  if (value < 10) return put(0x30 + <u8>value);
  // From the number of bits, which times log10(2) is that of digits, or one less.
  const about = (<u32>(64 - clz(value)) * 1233) >> 12;
  const first = cursor;
  cursor += about + (value >= load<u64>(powers + 8 * about) ? 1 : 0);
  let at = cursor;
  for (; value > u32.MAX_VALUE; value /= 100) at = putTwoDigits(at - 2, <u32>(value % 100));
  let part = <u32>value;
  for (; part >= 10; part /= 100) at = putTwoDigits(at - 2, part % 100);
  if (at > first) store<u8>(first, 0x30 + <u8>part);
}

// @ts-ignore: decorator
@inline
function putTwoDigits(at: usize, value: u32): usize {
  const tens = value / 10;
  store<u16>(at, <u16>(0x3030 + tens + ((value - 10 * tens) << 8)));
  return at;
}

// @ts-ignore: decorator
@inline
function hexDigit(value: u32): u8 {
  return <u8>(value < 10 ? 0x30 + value : 0x57 + value);
}

function putHexDigits(value: u64): void {
  room(16);
  const count: i32 = value == 0 ? 1 : (67 - <i32>clz(value)) >> 2;
  for (let shift = 4 * (count - 1); shift >= 0; shift -= 4) put(hexDigit(<u32>(value >> shift) & 15));
}

export function putHex(value: u64, negative: bool): void {
  room(4);
  if (negative) put(0x2d);
  put(0x30);
  put(0x78);
  putHexDigits(negative ? 0 - value : value);
}

export function putQuote(): void {
  room(1);
  put(QUOTE);
}

export function putPair(major: u64, minor: u64): void {
  putQuote();
  putDecimal(major);
  put(0x3a);
  putDecimal(minor);
  putQuote();
}

// Strings.

function putUnit(unit: u32): void {
  room(6);
  put(BACKSLASH);
  put(0x75);
  for (let shift = 12; shift >= 0; shift -= 4) put(hexDigit((unit >> shift) & 15));
}

/** One character of ASCII as strings of JSON have it. */
function putCharacter(byte: u8): void {
  room(2);
  let letter: u8 = 0;
  if (byte == QUOTE || byte == BACKSLASH) letter = byte;
  else if (byte == 8) letter = 0x62;
  else if (byte == 9) letter = 0x74;
  else if (byte == 10) letter = 0x6e;
  else if (byte == 12) letter = 0x66;
  else if (byte == 13) letter = 0x72;
  if (letter) {
    put(BACKSLASH);
    put(letter);
  } else if (byte < 0x20 || byte == 0x7f) {
    putUnit(byte);
  } else {
    put(byte);
  }
}

/** Bytes of the UTF-8 sequence that begins there; 0: there is none. */
function sequenceLength(at: usize, end: usize): u32 {
  const first = load<u8>(at);
  if (first < 0x80) return 1;
  const count: u32 = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (!count || at + count > end) return 0;
  // The second byte rules out what is longer than needed, surrogates, and what is beyond U+10FFFF.
  const second = load<u8>(at, 1);
  const low: u8 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const high: u8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let index: u32 = 2; index < count; index++) if ((load<u8>(at + index) & 0xc0) != 0x80) return 0;
  return count;
}

function isUtf8(at: usize, end: usize): bool {
  while (at < end) {
    const count = sequenceLength(at, end);
    if (!count) return false;
    at += count;
  }
  return true;
}

function putCodePoint(at: usize, count: u32): void {
  let code: u32 = load<u8>(at) & (0xff >> (count + 1));
  for (let index: u32 = 1; index < count; index++) code = (code << 6) | (load<u8>(at + index) & 0x3f);
  if (code < 0x10000) return putUnit(code);
  putUnit(0xd800 + ((code - 0x10000) >> 10));
  putUnit(0xdc00 + ((code - 0x10000) & 0x3ff));
}

/** Which of 16 characters are not plain ASCII, or mean something in a string: a bit for each. */
// @ts-ignore: decorator
@inline
function oddOnes(block: v128): u32 {
  const control = i8x16.lt_u(block, i8x16.splat(0x20));
  const high = i8x16.gt_u(block, i8x16.splat(0x7e));
  const marks = v128.or(i8x16.eq(block, i8x16.splat(QUOTE)), i8x16.eq(block, i8x16.splat(BACKSLASH)));
  return i8x16.bitmask(v128.or(v128.or(control, high), marks));
}

/**
 * UTF-8; in a string that is not, bytes beyond ASCII are U+DC80 to U+DCFF, so that nothing is lost. 15 bytes after
 * it may be read.
 */
export function putString(at: usize, length: usize): void {
  const end = at + length;
  room(length + 2);
  put(QUOTE);
  while (at < end) {
    const taken = min<usize>(16, end - at);
    const block = v128.load(at);
    if (oddOnes(block) & ((1 << <u32>taken) - 1)) break;
    v128.store(cursor, block);
    cursor += taken;
    at += taken;
  }
  if (at < end) putOddCharacters(at, end);
  put(QUOTE);
}

function putOddCharacters(at: usize, end: usize): void {
  const valid = isUtf8(at, end);
  while (at < end) {
    const byte = load<u8>(at);
    if (byte < 0x80) {
      putCharacter(byte);
      at++;
    } else if (valid) {
      const count = sequenceLength(at, end);
      putCodePoint(at, count);
      at += count;
    } else {
      putUnit(0xdc00 + <u32>byte);
      at++;
    }
  }
}

const alphabet = memory.data<u8>([
  65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90,
  97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119,
  120, 121, 122, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 43, 47,
]);

// @ts-ignore: decorator
@inline
function putSextet(bits: u32): void {
  put(load<u8>(alphabet + (bits & 63)));
}

/** Bytes in a line of base64, as MIME has it: each line ends with a newline, the last one too. */
const LINE_BYTES: usize = 57;

export function putBase64(at: usize, length: usize): void {
  const end = at + length;
  putQuote();
  while (at < end) {
    room(80);
    const line = min(LINE_BYTES, end - at);
    for (let left = line; left > 0; ) {
      const b0: u32 = load<u8>(at);
      const b1: u32 = left > 1 ? load<u8>(at, 1) : 0;
      const b2: u32 = left > 2 ? load<u8>(at, 2) : 0;
      putSextet(b0 >> 2);
      putSextet((b0 << 4) | (b1 >> 4));
      if (left > 1) putSextet((b1 << 2) | (b2 >> 6));
      else put(0x3d);
      if (left > 2) putSextet(b2);
      else put(0x3d);
      const taken = min<usize>(3, left);
      at += taken;
      left -= taken;
    }
    put(BACKSLASH);
    put(0x6e);
  }
  putQuote();
}

const MOST_COLUMNS = 76;

/**
 * Quoted-printable, as names of sockets are shown: abstract ones begin with "=00". A carriage return is escaped,
 * which is the one thing that crit does not do: it loses it.
 */
export function putQuotedPrintable(at: usize, length: usize): void {
  const end = at + length;
  let column = 0;
  putQuote();
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == NEWLINE) {
      putCharacter(NEWLINE);
      column = 0;
      continue;
    }
    const next: i32 = at + 1 < end ? <i32>load<u8>(at, 1) : NEWLINE;
    const endsLine = next == NEWLINE;
    const loneDot = byte == 46 && column == 0 && (endsLine || next == 13 || next == 0);
    const literal =
      byte == 32 || byte == 9 ? !endsLine : byte > 32 && byte < 127 && byte != 61 && !loneDot;
    const size = literal ? 1 : 3;
    if (column + size >= MOST_COLUMNS && !(literal && endsLine)) {
      putCharacter(61);
      putCharacter(NEWLINE);
      column = 0;
    }
    if (literal) putCharacter(byte);
    else putEscape(byte);
    column += size;
  }
  putQuote();
}

function putEscape(byte: u8): void {
  room(3);
  put(61);
  putCapital(byte >> 4);
  putCapital(byte & 15);
}

// @ts-ignore: decorator
@inline
function putCapital(value: u8): void {
  put(value < 10 ? 0x30 + value : 0x37 + value);
}

/** An address in network order: 4 bytes, or 16. */
export function putAddress(at: usize, length: u32): void {
  putQuote();
  if (length == 4) {
    for (let index = 0; index < 4; index++) {
      if (index) put(0x2e);
      putDecimal(load<u8>(at + index));
    }
  } else {
    putGroups(at);
  }
  putQuote();
}

// @ts-ignore: decorator
@inline
function group(at: usize, index: u32): u32 {
  return (<u32>load<u8>(at + 2 * index) << 8) | load<u8>(at + 2 * index, 1);
}

/** The longest run of two zero groups or more, the first of equals, is left out. */
function putGroups(at: usize): void {
  let best: u32 = 8;
  let longest: u32 = 1;
  for (let first: u32 = 0; first < 8; first++) {
    let count: u32 = 0;
    while (first + count < 8 && group(at, first + count) == 0) count++;
    if (count > longest) {
      best = first;
      longest = count;
    }
  }
  for (let index: u32 = 0; index < 8; index++) {
    room(8);
    if (index == best) {
      put(0x3a);
      put(0x3a);
      index += longest - 1;
      continue;
    }
    if (index > 0 && index != best + longest) put(0x3a);
    putHexDigits(group(at, index));
  }
}
