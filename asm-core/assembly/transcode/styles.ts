/** How fields are found and printed: their names, and numbers in the words of crit. See `setNames`. */
import {
  BOOL, fieldCount, fieldRow, fieldTotal, firstField, INT32, INT64, labelOf, messageOf, messageTotal, numberOf,
  REPEATED, REQUIRED, SINT32, SINT64, typeOf, UINT32, wireTypeOf,
} from "./schema";
import {
  pretty, put, putDecimal, putFour, putHex, putPair, putQuote, putSeparator, putShort, room,
} from "./text";

/** The same numbers are in ts-host/images/json/styles.ts. */
export const HEX: u8 = 1;
const DEVICE: u8 = 2;
const STAT_DEVICE: u8 = 3;
const FLAGS: u8 = 4;
const NAMED: u8 = 5;
/** Named also where it is not pretty. */
const ENUM: u8 = 6;
export const ADDRESS: u8 = 7;
export const SOCKET_NAME: u8 = 8;

/**
 * For each field, in the order of the schema: u32 tag in protobuf; u32 guess, the field that came after it the last
 * time; u32 key and u32 dictionary; u16 length of the key, u16 message, u8 type, label and style. The key has what
 * stands before and after it: `, "name": `. After them one for all that the schema does not know: its tag, 0, is none.
 */
const FIELD: usize = 32;
let fields: usize = 0;
/** For each message u32 how many fields it must have; u32 guess, as above, of the first field. */
const HEAD: usize = 8;
let heads: usize = 0;
/** The host's table. */
let table: usize = 0;

/**
 * `from`: u32 offset of the names of all fields, and of "unknown", each with a blank after it; u32 their length; u32
 * number of fields with a style, and for each u32 field, u32 style, u32 offset of its dictionary or 0. A dictionary:
 * u32 count, and for each value u64 number, u32 offset and u32 length of its name. All this stays in memory, and 15
 * bytes after it may be read.
 */
export function setNames(from: usize): void {
  table = from;
  fields = heap.alloc(FIELD * (fieldTotal + 1));
  memory.fill(fields, 0, FIELD * (fieldTotal + 1));
  heads = heap.alloc(HEAD * messageTotal);
  for (let message: u32 = 0; message < messageTotal; message++) describe(message);
  makeKeys(table + load<u32>(table), load<u32>(table, 4));
  for (let at = table + 12; at < table + 12 + 12 * load<u32>(table, 8); at += 12) {
    const field = fieldAt(load<u32>(at));
    store<u8>(field, <u8>load<u32>(at, 4), 22);
    store<u32>(field, <u32>table + load<u32>(at, 8), 12);
  }
}

/** Head and fields of a message, without keys and styles. */
function describe(message: u32): void {
  const head = headOf(message);
  const first = firstField(message);
  const end = first + fieldCount(message);
  let before = head;
  store<u32>(head, 0);
  for (let index = first; index < end; index++) {
    const field = fieldAt(index);
    const row = fieldRow(index);
    store<u32>(field, (numberOf(row) << 3) | wireTypeOf(typeOf(row)));
    store<u16>(field, <u16>messageOf(row), 18);
    store<u8>(field, typeOf(row), 20);
    store<u8>(field, labelOf(row), 21);
    if (labelOf(row) == REQUIRED) store<u32>(head, load<u32>(head) + 1);
    setGuess(before, field);
    before = field;
  }
  setGuess(before, unknownField());
}

function makeKeys(text: usize, length: usize): void {
  let key = heap.alloc(length + 5 * (fieldTotal + 1) + 16);
  for (let index: u32 = 0; index <= fieldTotal; index++) {
    const start = key;
    store<u32>(key, 0x22202c);
    for (key += 3; load<u8>(text) != 0x20; ) store<u8>(key++, load<u8>(text++));
    text++;
    store<u32>(key, 0x203a22);
    key += 3;
    store<u32>(fieldAt(index), <u32>start, 8);
    store<u16>(fieldAt(index), <u16>(key - start), 16);
  }
}

/** The field with that index in the schema: its address, which all functions below take. */
// @ts-ignore: decorator
@inline
export function fieldAt(index: u32): usize {
  return fields + FIELD * index;
}

/** In the place of all fields that the schema does not know; comes after all others. */
// @ts-ignore: decorator
@inline
export function unknownField(): usize {
  return fieldAt(fieldTotal);
}

/** What `guessAfter` takes before the first field of a message. */
// @ts-ignore: decorator
@inline
export function headOf(message: u32): usize {
  return heads + HEAD * message;
}

/** How many fields the message must have. */
// @ts-ignore: decorator
@inline
export function requiredIn(head: usize): u32 {
  return load<u32>(head);
}

/** The field that came after that one, or first, the last time. */
// @ts-ignore: decorator
@inline
export function guessAfter(field: usize): usize {
  return load<u32>(field, 4);
}

// @ts-ignore: decorator
@inline
export function setGuess(before: usize, field: usize): void {
  store<u32>(before, <u32>field, 4);
}

// @ts-ignore: decorator
@inline
export function tagIn(field: usize): u32 {
  return load<u32>(field);
}

// @ts-ignore: decorator
@inline
function dictionaryIn(field: usize): usize {
  return load<u32>(field, 12);
}

// @ts-ignore: decorator
@inline
export function messageIn(field: usize): u32 {
  return load<u16>(field, 18);
}

// @ts-ignore: decorator
@inline
export function typeIn(field: usize): u8 {
  return load<u8>(field, 20);
}

// @ts-ignore: decorator
@inline
export function isRepeated(field: usize): bool {
  return load<u8>(field, 21) == REPEATED;
}

// @ts-ignore: decorator
@inline
export function isRequired(field: usize): bool {
  return load<u8>(field, 21) == REQUIRED;
}

// @ts-ignore: decorator
@inline
export function styleIn(field: usize): u8 {
  return load<u8>(field, 22);
}

/** The key, and what stands before it. There is then room for a number. */
export function putKey(field: usize, isFirst: bool, indent: u32): void {
  const length = <usize>load<u16>(field, 16);
  const key = <usize>load<u32>(field, 8);
  room(length + indent);
  if (pretty) putSeparator(isFirst, indent);
  // Without comma and blank.
  if (pretty || isFirst) putShort(key + 2, length - 2);
  else putShort(key, length);
}

// Numbers.

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
  const length = load<u32>(entry, 12);
  room(length);
  putShort(table + load<u32>(entry, 8), length);
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

/** What a value on the wire means, as 64 bits. */
// @ts-ignore: decorator
@inline
function wholeNumber(type: u8, value: u64): u64 {
  if (type == UINT32) return <u64>(<u32>value);
  if (type == INT32) return <u64>(<i64>(<i32>value));
  if (type == SINT32) return <u64>(<i64>(<i32>((<u32>value >> 1) ^ (0 - (<u32>value & 1)))));
  return type == SINT64 ? (value >> 1) ^ (0 - (value & 1)) : value;
}

/** A bool or a number, given as it is on the wire. There is room for a number. */
export function putScalar(field: usize, onWire: u64, hex: bool): void {
  const type = typeIn(field);
  if (type == BOOL) return putBool(onWire != 0);
  const value = wholeNumber(type, onWire);
  const isSigned = type == INT32 || type == SINT32 || type == INT64 || type == SINT64;
  const negative = isSigned && <i64>value < 0;
  if ((hex || styleIn(field)) && putStyled(styleIn(field), dictionaryIn(field), hex, value, negative)) return;
  if (negative) put(0x2d);
  putDecimal(negative ? 0 - value : value);
}

/** Returns whether the number is one to be printed in another way than as it is. */
function putStyled(style: u32, dictionary: usize, hex: bool, value: u64, negative: bool): bool {
  if (style == ENUM || (style == NAMED && pretty && !hex)) {
    const name = nameOf(dictionary, value);
    if (!name) return false;
    putQuote();
    putName(name);
    putQuote();
    return true;
  }
  if (!pretty) return false;
  if (hex || style == HEX) {
    putQuote();
    putHex(value, negative);
    putQuote();
    return true;
  }
  if (style == DEVICE) {
    putPair(value >> 20, value & 0xfffff);
    return true;
  }
  if (style == STAT_DEVICE) {
    // As stat(2) gives it: the low bits of major and minor lie below the high ones.
    const major = ((value >> 8) & 0xfff) | ((value >> 32) & 0xfffff000);
    putPair(major, (value & 0xff) | ((value >> 12) & 0xffffff00));
    return true;
  }
  if (style == FLAGS) putFlags(dictionary, value, negative);
  return style == FLAGS;
}

function putBool(value: bool): void {
  if (value) putFour(0x65757274);
  else putFour(0x736c6166);
  if (!value) put(0x65);
}
