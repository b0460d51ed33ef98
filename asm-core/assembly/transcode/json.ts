/**
 * Messages as JSON, as crit prints them: from FlatBuffers, all of it ASCII. Pretty means over several lines, and
 * numbers in the way that their field asks for. The host describes names and styles in a table; see `setNames`.
 */
import {
  BOOL, BYTES, fieldCount, fieldRow, firstField, INT32, INT64, isScalar, labelOf, MESSAGE, messageOf, REPEATED,
  SINT32, SINT64, slotOf, STRING, typeOf, widthOf,
} from "./schema";

/** How a field is printed; the same numbers are in ts-host/images/json/styles.ts. */
const HEX: u32 = 1;
const DEVICE: u32 = 2;
const STAT_DEVICE: u32 = 3;
const FLAGS: u32 = 4;
const NAMED: u32 = 5;
/** Named also where it is not pretty. */
const ENUM: u32 = 6;
const ADDRESS: u32 = 7;
const SOCKET_NAME: u32 = 8;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const NEWLINE: u8 = 10;

let names: usize = 0;

/**
 * For each field 16 bytes: u32 offset and u32 length of its key, with quotes, colon and blank; u32 style; u32 offset
 * of its dictionary: u32 count, and for each value u64 number, u32 offset and u32 length of its name.
 */
export function setNames(table: usize): void {
  names = table;
}

// The text.

const FIRST_CAPACITY: usize = 1 << 20;
/** What may be written without asking for room: a number, a key's last 16 bytes. */
const SLACK: usize = 64;

let start: usize = 0;
let capacity: usize = 0;
let cursor: usize = 0;
let pretty: bool = false;

export function beginText(isPretty: bool): void {
  if (!capacity) {
    capacity = FIRST_CAPACITY;
    start = heap.alloc(capacity);
  }
  pretty = isPretty;
  cursor = start;
}

export function textStart(): usize {
  return start;
}

export function textLength(): usize {
  return cursor - start;
}

// @ts-ignore: decorator
@inline
function room(bytes: usize): void {
  if (cursor + bytes + SLACK > start + capacity) grow(bytes);
}

function grow(bytes: usize): void {
  const length = cursor - start;
  while (length + bytes + SLACK > capacity) capacity *= 2;
  const larger = heap.alloc(capacity);
  memory.copy(larger, start, length);
  start = larger;
  cursor = larger + length;
}

// @ts-ignore: decorator
@inline
function put(byte: u8): void {
  store<u8>(cursor++, byte);
}

/** Copies 16 bytes at a time: what follows the text, and the cursor, does not matter. */
function putText(text: usize, length: usize): void {
  room(length);
  for (let at: usize = 0; at < length; at += 16) v128.store(cursor + at, v128.load(text + at));
  cursor += length;
}

/** A new line, where lines are asked for. */
function putLine(indent: u32): void {
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

/** Digits of the largest number. */
const MOST_DIGITS: usize = 20;

function putDecimal(value: u64): void {
  room(MOST_DIGITS);
  let count: usize = 1;
  for (let limit: u64 = 10; count < MOST_DIGITS && value >= limit; limit *= 10) count++;
  let at = cursor + count;
  cursor = at;
  for (; value > u32.MAX_VALUE; value /= 10) store<u8>(--at, <u8>(0x30 + (value % 10)));
  let part = <u32>value;
  for (; part >= 10; part /= 10) store<u8>(--at, <u8>(0x30 + (part % 10)));
  store<u8>(--at, <u8>(0x30 + part));
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

function putHex(value: u64, negative: bool): void {
  room(4);
  if (negative) put(0x2d);
  put(0x30);
  put(0x78);
  putHexDigits(negative ? 0 - value : value);
}

function putQuote(): void {
  room(1);
  put(QUOTE);
}

function putPair(major: u64, minor: u64): void {
  putQuote();
  putDecimal(major);
  put(0x3a);
  putDecimal(minor);
  putQuote();
}

/** The entry of a dictionary with that number; 0: none. */
function nameOf(dictionary: usize, value: u64): usize {
  const count = load<u32>(dictionary);
  for (let index: u32 = 0; index < count; index++) {
    const entry = dictionary + 4 + 16 * index;
    if (load<u64>(entry) == value) return entry;
  }
  return 0;
}

function putName(entry: usize): void {
  putText(names + load<u32>(entry, 8), load<u32>(entry, 12));
}

/** Names of the bits, and those without a name together as a number. */
function putFlags(dictionary: usize, value: u64, negative: bool): void {
  putQuote();
  const count = load<u32>(dictionary);
  let rest = value;
  let isFirst = true;
  for (let index: u32 = 0; index < count; index++) {
    const entry = dictionary + 4 + 16 * index;
    const bit = load<u64>(entry);
    if (!(value & bit)) continue;
    if (!isFirst) putBar();
    putName(entry);
    rest &= ~bit;
    isFirst = false;
  }
  if (rest) {
    if (!isFirst) putBar();
    putHex(rest, negative);
  }
  putQuote();
}

function putBar(): void {
  room(3);
  put(0x20);
  put(0x7c);
  put(0x20);
}

function putNumber(style: u32, dictionary: usize, hex: bool, value: u64, negative: bool): void {
  if (style == ENUM || (style == NAMED && pretty && !hex)) {
    const entry = nameOf(dictionary, value);
    if (entry) {
      putQuote();
      putName(entry);
      putQuote();
      return;
    }
  } else if (pretty && (hex || style == HEX)) {
    putQuote();
    putHex(value, negative);
    putQuote();
    return;
  } else if (pretty && style == DEVICE) {
    return putPair(value >> 20, value & 0xfffff);
  } else if (pretty && style == STAT_DEVICE) {
    // As stat(2) gives it: the low bits of major and minor lie below the high ones.
    const major = ((value >> 8) & 0xfff) | ((value >> 32) & 0xfffff000);
    return putPair(major, (value & 0xff) | ((value >> 12) & 0xffffff00));
  } else if (pretty && style == FLAGS) {
    return putFlags(dictionary, value, negative);
  }
  room(1);
  if (negative) put(0x2d);
  putDecimal(negative ? 0 - value : value);
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

// @ts-ignore: decorator
@inline
function isPlain(block: v128): bool {
  const control = i8x16.lt_u(block, i8x16.splat(0x20));
  const high = i8x16.gt_u(block, i8x16.splat(0x7e));
  const marks = v128.or(i8x16.eq(block, i8x16.splat(QUOTE)), i8x16.eq(block, i8x16.splat(BACKSLASH)));
  return !v128.any_true(v128.or(v128.or(control, high), marks));
}

/** UTF-8; in a string that is not, bytes beyond ASCII are U+DC80 to U+DCFF, so that nothing is lost. */
function putString(at: usize, length: usize): void {
  const end = at + length;
  putQuote();
  for (; end - at >= 16 && isPlain(v128.load(at)); at += 16) putText(at, 16);
  if (at < end) {
    const valid = isUtf8(at, end) && at != end;
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
  putQuote();
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
function putQuotedPrintable(at: usize, length: usize): void {
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
function putAddress(at: usize, length: u32): void {
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

// Messages.

// @ts-ignore: decorator
@inline
function follow(place: usize): usize {
  return place + load<u32>(place);
}

/** Where the field of that slot is in the table; 0: it is absent. */
// @ts-ignore: decorator
@inline
function placeOf(table: usize, slot: u32): usize {
  return placeIn(table, table - load<i32>(table), slot);
}

// @ts-ignore: decorator
@inline
function placeIn(table: usize, vtable: usize, slot: u32): usize {
  const entry = 4 + 2 * slot;
  if (entry >= load<u16>(vtable)) return 0;
  const offset = load<u16>(vtable + entry);
  return offset ? table + offset : 0;
}

export function putTable(message: u32, table: usize, indent: u32, hex: bool): void {
  const first = firstField(message);
  const count = fieldCount(message);
  const vtable = table - load<i32>(table);
  let isFirst = true;
  room(1);
  put(0x7b);
  for (let index: u32 = 0; index < count; index++) {
    const field = first + index;
    const row = fieldRow(field);
    const place = placeIn(table, vtable, slotOf(row));
    const repeated = labelOf(row) == REPEATED;
    if (!place || (repeated && !load<u32>(follow(place)))) continue;
    putSeparator(isFirst, indent + 4);
    isFirst = false;
    putKey(field);
    if (repeated) putVector(field, follow(place), indent + 4, hex);
    else putValue(field, place, indent + 4, hex);
  }
  const unknown = placeOf(table, 0);
  if (unknown && load<u32>(follow(unknown))) {
    putSeparator(isFirst, indent + 4);
    isFirst = false;
    for (let at: usize = 0; at < 11; at++) put(load<u8>(UNKNOWN_KEY + at));
    putBytes(follow(unknown));
  }
  if (!isFirst) putLine(indent);
  room(1);
  put(0x7d);
}

/** `"unknown": ` */
const UNKNOWN_KEY = memory.data<u8>([34, 117, 110, 107, 110, 111, 119, 110, 34, 58, 32]);

// @ts-ignore: decorator
@inline
function descriptionOf(field: u32): usize {
  return names + 16 * field;
}

function putKey(field: u32): void {
  const description = descriptionOf(field);
  putText(names + load<u32>(description), load<u32>(description, 4));
}

/** A vector of bytes. */
function putBytes(vector: usize): void {
  putBase64(vector + 4, load<u32>(vector));
}

/** A number, or what the offset at `place` leads to. */
function putValue(field: u32, place: usize, indent: u32, hex: bool): void {
  const row = fieldRow(field);
  const type = typeOf(row);
  if (isScalar(type)) return putScalar(field, type, place, hex);
  if (type == MESSAGE) {
    const inner = hex || load<u32>(descriptionOf(field), 8) == HEX;
    return putTable(messageOf(row), follow(place), indent, inner);
  }
  putContent(field, type, follow(place));
}

/** A vector of bytes or a string, as the field asks for it. */
function putContent(field: u32, type: u8, vector: usize): void {
  if (type == STRING) putString(vector + 4, load<u32>(vector));
  else if (load<u32>(descriptionOf(field), 8) == SOCKET_NAME) putQuotedPrintable(vector + 4, load<u32>(vector));
  else putBytes(vector);
}

function putScalar(field: u32, type: u8, place: usize, hex: bool): void {
  if (type == BOOL) return putBool(load<u8>(place) != 0);
  const value: u64 = widthOf(type) == 8 ? load<u64>(place) : <u64>load<u32>(place);
  const isSigned = type == INT32 || type == SINT32 || type == INT64 || type == SINT64;
  const whole = isSigned && widthOf(type) == 4 ? <u64>(<i64>(<i32>value)) : value;
  putFieldNumber(field, whole, isSigned && <i64>whole < 0, hex);
}

function putFieldNumber(field: u32, value: u64, negative: bool, hex: bool): void {
  const description = descriptionOf(field);
  putNumber(load<u32>(description, 8), names + load<u32>(description, 12), hex, value, negative);
}

function putBool(value: bool): void {
  room(8);
  if (value) {
    store<u32>(cursor, 0x65757274);
    cursor += 4;
  } else {
    store<u32>(cursor, 0x736c6166);
    store<u8>(cursor, 0x65, 4);
    cursor += 5;
  }
}

function putVector(field: u32, vector: usize, indent: u32, hex: bool): void {
  const row = fieldRow(field);
  const type = typeOf(row);
  const count = load<u32>(vector);
  const isAddress = pretty && load<u32>(descriptionOf(field), 8) == ADDRESS && (count == 1 || count == 4);
  room(1);
  put(0x5b);
  if (isAddress) {
    putSeparator(true, indent + 4);
    putAddress(vector + 4, 4 * count);
  } else {
    let element = vector + 4;
    for (let index: u32 = 0; index < count; index++, element += widthOf(type)) {
      putSeparator(index == 0, indent + 4);
      // Bytes in a vector are each in a table of their own.
      if (type == BYTES || type == STRING) putContent(field, type, follow(placeOf(follow(element), 0)));
      else putValue(field, element, indent + 4, hex);
    }
  }
  putLine(indent);
  room(1);
  put(0x5d);
}

/**
 * A pagemap's entry of the common form, from its row: what `putTable` makes of it. `first`: index of the field vaddr,
 * which compat_nr_pages, in_parent, flags and nr_pages follow.
 */
export function putRow(first: u32, row: usize, indent: u32): void {
  room(1);
  put(0x7b);
  putRowField(first, load<u64>(row), true, indent);
  putRowField(first + 1, 0, false, indent);
  putRowField(first + 3, load<u64>(row, 16), false, indent);
  putRowField(first + 4, load<u64>(row, 8), false, indent);
  putLine(indent);
  room(1);
  put(0x7d);
}

function putRowField(field: u32, value: u64, isFirst: bool, indent: u32): void {
  putSeparator(isFirst, indent + 4);
  putKey(field);
  putFieldNumber(field, value, false, false);
}
