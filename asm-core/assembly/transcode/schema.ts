/** The table of all messages and fields, as schemas/gen/generate.mjs packs it; schemas/README.md has the layout. */

export const BOOL: u8 = 0;
export const INT32: u8 = 1;
export const UINT32: u8 = 2;
export const SINT32: u8 = 3;
export const INT64: u8 = 4;
export const UINT64: u8 = 5;
export const SINT64: u8 = 6;
export const FIXED64: u8 = 7;
export const BYTES: u8 = 8;
export const STRING: u8 = 9;
export const MESSAGE: u8 = 10;

export const REQUIRED: u8 = 1;
export const REPEATED: u8 = 2;

export const VARINT: u32 = 0;
export const EIGHT_BYTES: u32 = 1;
export const DELIMITED: u32 = 2;
export const FOUR_BYTES: u32 = 5;

/** How many messages there are, and fields of all of them. */
export let messageTotal: u32 = 0;
export let fieldTotal: u32 = 0;

let messages: usize = 0;
let fields: usize = 0;
/** For each message the set of those fields that it must have. */
let required: usize = 0;

/** `table` stays in memory. */
export function setSchema(table: usize): void {
  messageTotal = load<u32>(table);
  fieldTotal = load<u32>(table, 4);
  messages = table + 8;
  fields = messages + 4 * messageTotal;
  required = heap.alloc(16 * messageTotal);
  for (let message: u32 = 0; message < messageTotal; message++) {
    const set = required + 16 * message;
    v128.store(set, i64x2.splat(0));
    for (let index: u32 = 0; index < fieldCount(message); index++) {
      if (labelOf(fieldRow(firstField(message) + index)) == REQUIRED) addTo(set, index);
    }
  }
}

// @ts-ignore: decorator
@inline
export function requiredFields(message: u32): v128 {
  return v128.load(required + 16 * message);
}

// Sets of fields of a message, by their indices: a bit for each, in 16 bytes.

/** Adds a field to the set at `set`; false: it was in it. */
// @ts-ignore: decorator
@inline
export function addTo(set: usize, index: u32): bool {
  const word = set + 8 * (index >> 6);
  const bit = <u64>1 << (index & 63);
  const before = load<u64>(word);
  store<u64>(word, before | bit);
  return (before & bit) == 0;
}

/** The first field of a set; MAX_FIELDS: it is empty. */
// @ts-ignore: decorator
@inline
export function firstIn(set: v128): u32 {
  const low = i64x2.extract_lane(set, 0);
  return low ? <u32>ctz(low) : 64 + <u32>ctz(i64x2.extract_lane(set, 1));
}

/** The first field of a set after `index`; MAX_FIELDS: there is none. */
// @ts-ignore: decorator
@inline
export function nextIn(set: v128, index: u32): u32 {
  let next = index + 1;
  if (next < 64) {
    const low = <u64>i64x2.extract_lane(set, 0) >> next;
    if (low) return next + <u32>ctz(low);
    next = 64;
  }
  const high = <u64>i64x2.extract_lane(set, 1) >> (next & 63);
  return next < 128 && high ? next + <u32>ctz(high) : 128;
}

// @ts-ignore: decorator
@inline
export function firstField(message: u32): u32 {
  return load<u16>(messages + 4 * message);
}

// @ts-ignore: decorator
@inline
export function fieldCount(message: u32): u32 {
  return load<u16>(messages + 4 * message, 2);
}

/** Address of the field's row; the functions below take it. */
// @ts-ignore: decorator
@inline
export function fieldRow(index: u32): usize {
  return fields + 8 * index;
}

// @ts-ignore: decorator
@inline
export function numberOf(row: usize): u32 {
  return load<u16>(row);
}

// @ts-ignore: decorator
@inline
export function messageOf(row: usize): u32 {
  return load<u16>(row, 2);
}

// @ts-ignore: decorator
@inline
export function slotOf(row: usize): u32 {
  return load<u8>(row, 4);
}

// @ts-ignore: decorator
@inline
export function typeOf(row: usize): u8 {
  return load<u8>(row, 5);
}

// @ts-ignore: decorator
@inline
export function labelOf(row: usize): u8 {
  return load<u8>(row, 6);
}

/** Bytes of a scalar in FlatBuffers; of everything else, the bytes of an offset. */
// @ts-ignore: decorator
@inline
export function widthOf(type: u8): u32 {
  if (type == BOOL) return 1;
  return type >= INT64 && type <= FIXED64 ? 8 : 4;
}

// @ts-ignore: decorator
@inline
export function isScalar(type: u8): bool {
  return type <= FIXED64;
}

// @ts-ignore: decorator
@inline
export function wireTypeOf(type: u8): u32 {
  if (type < FIXED64) return VARINT;
  return type == FIXED64 ? EIGHT_BYTES : DELIMITED;
}

/** Index within the message, of the field with that number; -1: none. `guess` is tried first. */
export function findField(message: u32, number: u32, guess: u32): i32 {
  const first = fieldRow(firstField(message));
  const count = fieldCount(message);
  if (guess < count && numberOf(first + 8 * guess) == number) return guess;
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = numberOf(first + 8 * middle);
    if (found == number) return middle;
    if (found < number) low = middle + 1;
    else high = middle;
  }
  return -1;
}
