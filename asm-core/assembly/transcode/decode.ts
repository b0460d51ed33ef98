/**
 * protobuf -> FlatBuffers. Each message is read twice: the first pass checks it and counts, so that the table
 * and its vectors can be laid out; the second fills them. Everything a table refers to comes after it, which
 * FlatBuffers allows (offsets are unsigned) though its own builders go the other way.
 */
import {
  DUPLICATE, enter, fail, MISSING, NO_ELEMENT, OUTPUT_FULL, TOO_DEEP, TOO_MANY_VALUES, TRUNCATED,
  WRONG_WIRE_TYPE,
} from "./failure";
import { MAX_DEPTH, MAX_FIELDS, MAX_VALUES } from "./limits";
import {
  BOOL, DELIMITED, fieldCount, fieldRow, findField, firstField, FIXED64, isScalar, labelOf, MESSAGE, messageOf,
  REPEATED, REQUIRED, SINT32, SINT64, slotOf, typeOf, widthOf, wireTypeOf,
} from "./schema";
import { beginReading, readTag, readVarint, skipValue, tagNumber, tagWireType, varint } from "./wire";

/**
 * Notes on the fields of the message at each level, 16 bytes a field: u32 occurrences; u32 where in the output
 * its value, or its next element, goes; u32 index of the next element.
 */
const NOTE: u32 = 16;
const notes: usize = memory.data(MAX_DEPTH * MAX_FIELDS * 16);

/** Where the last vtable of each message is, so that equal ones are shared; and that of `Bytes`. */
const MAX_MESSAGES: u32 = 1024;
const lastVtables: usize = memory.data(MAX_MESSAGES * 4);
const BYTES_TABLE: u32 = MAX_MESSAGES - 1;

let input: usize = 0;
let output: usize = 0;
let outputEnd: usize = 0;
let cursor: usize = 0;
let values: u32 = 0;

/** Returns the length of the FlatBuffer in `into`, 0 on failure. */
export function decodeProtobuf(message: u32, from: usize, length: usize, into: usize, capacity: usize): usize {
  input = from;
  beginReading(from);
  output = into;
  outputEnd = into + capacity;
  cursor = into;
  values = 0;
  memory.fill(lastVtables, 0, MAX_MESSAGES * 4);
  if (!zeros(8)) return 0;
  const root = decodeTable(message, from, from + length, 0);
  if (!root) return 0;
  store<u32>(output, <u32>(root - output));
  return cursor - output;
}

function charge(count: u32, at: usize, depth: u32): bool {
  if (count > MAX_VALUES - values) return fail(TOO_MANY_VALUES, at - input, depth) != 0;
  values += count;
  return true;
}

// Writing.

function room(bytes: usize): bool {
  return outputEnd - cursor >= bytes || fail(OUTPUT_FULL, 0, 0) != 0;
}

function zeros(bytes: usize): bool {
  if (!room(bytes)) return false;
  memory.fill(cursor, 0, bytes);
  cursor += bytes;
  return true;
}

/** Pads until `cursor + ahead` is a multiple of `alignment`. */
function align(alignment: usize, ahead: usize): bool {
  return zeros((0 - (cursor - output + ahead)) & (alignment - 1));
}

/** An empty vector with room for its elements; `place` gets the offset to it. Returns the first element's address. */
function newVector(place: usize, count: u32, width: u32): usize {
  if (!align(max(4, width), 4)) return 0;
  const bytes = <u64>count * width + 4;
  if (bytes > outputEnd - cursor) return fail(OUTPUT_FULL, 0, 0);
  store<u32>(place, <u32>(cursor - place));
  store<u32>(cursor, count);
  const elements = cursor + 4;
  cursor += <usize>bytes;
  return elements;
}

function putBytes(place: usize, from: usize, length: usize): bool {
  const elements = newVector(place, <u32>length, 1);
  if (!elements) return false;
  memory.copy(elements, from, length);
  return true;
}

/** Takes the vtable that was just written at `start`, or an equal one from before; returns its address. */
function shareVtable(kind: u32, start: usize): usize {
  const size = <usize>load<u16>(start);
  const last = load<u32>(lastVtables + 4 * kind);
  if (last && load<u16>(output + last) == <u16>size && memory.compare(output + last, start, size) == 0) {
    cursor = start;
    return output + last;
  }
  store<u32>(lastVtables + 4 * kind, <u32>(start - output));
  return start;
}

/** One table `Bytes` of the schema. */
function putBytesTable(place: usize, from: usize, length: usize): bool {
  if (!align(4, 0) || !zeros(8)) return false;
  const start = cursor - 8;
  store<u16>(start, 6);
  store<u16>(start, 8, 2);
  store<u16>(start, 4, 4);
  const vtable = shareVtable(BYTES_TABLE, start);
  if (!zeros(8)) return false;
  const table = cursor - 8;
  store<i32>(table, <i32>(table - vtable));
  store<u32>(place, <u32>(table - place));
  return putBytes(table + 4, from, length);
}

function storeScalar(at: usize, type: u8, value: u64): void {
  if (type == BOOL) {
    store<u8>(at, value != 0 ? 1 : 0);
    return;
  }
  if (type == SINT32) value = <u64>(<u32>value >> 1 ^ (0 - (<u32>value & 1)));
  else if (type == SINT64) value = value >> 1 ^ (0 - (value & 1));
  if (widthOf(type) == 8) store<u64>(at, value);
  else store<u32>(at, <u32>value);
}

// The two passes.

/** How many elements the packed run from `at` to `end` has; -1 on failure. */
function countPacked(type: u8, start: usize, end: usize, depth: u32): i32 {
  if (type == FIXED64) {
    if ((end - start) & 7) {
      fail(TRUNCATED, start - input, depth);
      return -1;
    }
    return <i32>((end - start) >> 3);
  }
  let count = 0;
  for (let at = start; at < end; count++) {
    at = readVarint(at, end, depth);
    if (!at) return -1;
  }
  return count;
}

/** Checks the fields from `start` to `end` and counts them in the notes; returns the bytes of unknown ones, -1 on failure. */
function survey(message: u32, start: usize, end: usize, depth: u32): i32 {
  const first = firstField(message);
  const count = fieldCount(message);
  const note = notes + depth * MAX_FIELDS * NOTE;
  memory.fill(note, 0, count * NOTE);
  let unknown = 0;
  let index: i32 = -1;
  for (let at = start; at < end; ) {
    const tag = at;
    at = readTag(tag, end, depth);
    if (!at || !charge(1, tag, depth)) return -1;
    const number = tagNumber;
    const wireType = tagWireType;
    const repeats = index >= 0 && findField(message, number, index) == index;
    index = repeats ? index : findField(message, number, index + 1);
    if (index < 0) {
      at = skipValue(wireType, at, end, depth);
      if (!at) return -1;
      unknown += <i32>(at - tag);
      continue;
    }
    const row = fieldRow(first + index);
    const type = typeOf(row);
    const repeated = labelOf(row) == REPEATED;
    const own = note + index * NOTE;
    const before = load<u32>(own);
    enter(depth, first + index, repeated ? before : NO_ELEMENT);
    if (before && !repeated) return <i32>fail(DUPLICATE, tag - input, depth + 1) - 1;
    const packed = repeated && isScalar(type) && wireType == DELIMITED;
    if (!packed && wireType != wireTypeOf(type)) return <i32>fail(WRONG_WIRE_TYPE, tag - input, depth + 1) - 1;
    at = skipValue(wireType, at, end, depth + 1);
    if (!at) return -1;
    let occurrences = 1;
    if (packed) {
      occurrences = countPacked(type, at - <usize>varint, at, depth + 1);
      if (occurrences < 0 || !charge(occurrences, tag, depth + 1)) return -1;
    }
    store<u32>(own, before + occurrences);
  }
  for (let field: u32 = 0; field < count; field++) {
    if (labelOf(fieldRow(first + field)) == REQUIRED && load<u32>(note + field * NOTE) == 0) {
      enter(depth, first + field, NO_ELEMENT);
      return <i32>fail(MISSING, end - input, depth + 1) - 1;
    }
  }
  return unknown;
}

/** Writes vtable and zeroed table for the fields that the notes count, and empty vectors; puts places into the notes. */
function layOut(message: u32, unknown: u32, depth: u32): usize {
  const first = firstField(message);
  const count = fieldCount(message);
  const note = notes + depth * MAX_FIELDS * NOTE;
  const full: u32 = (4 + 2 * (count + 1) + 3) & ~3;
  if (!align(4, 0) || !zeros(full)) return 0;
  const start = cursor - full;
  let lastSlot: i32 = -1;
  let size: u32 = 4;
  if (unknown) {
    store<u16>(start, 4, 4);
    size = 8;
    lastSlot = 0;
  }
  // The widest first: only they need padding.
  for (let width: u32 = 8; width > 0; width = width == 8 ? 4 : width == 4 ? 1 : 0) {
    for (let index: u32 = 0; index < count; index++) {
      const row = fieldRow(first + index);
      const type = typeOf(row);
      const own = labelOf(row) == REPEATED ? 4 : widthOf(type);
      if (own != width || load<u32>(note + index * NOTE) == 0) continue;
      const slot = slotOf(row);
      if (width == 8) size = (size + 3) & ~7 | 4;
      store<u16>(start + 4 + 2 * slot, <u16>size);
      store<u32>(note + index * NOTE, size, 4);
      size += width;
      lastSlot = max(lastSlot, <i32>slot);
    }
  }
  const vtableSize: u32 = 4 + 2 * <u32>(lastSlot + 1);
  store<u16>(start, <u16>vtableSize);
  store<u16>(start, <u16>size, 2);
  cursor = start + vtableSize;
  const vtable = shareVtable(message, start);
  // 8-byte fields are at 4 modulo 8 of a table that is itself at 4 modulo 8.
  if (!align(8, 4) || !zeros(size)) return 0;
  const table = cursor - size;
  store<i32>(table, <i32>(table - vtable));
  for (let index: u32 = 0; index < count; index++) {
    const own = note + index * NOTE;
    const occurrences = load<u32>(own);
    if (!occurrences) continue;
    const row = fieldRow(first + index);
    let place = table + load<u32>(own, 4);
    if (labelOf(row) == REPEATED) {
      place = newVector(place, occurrences, widthOf(typeOf(row)));
      if (!place) return 0;
    }
    store<u32>(own, <u32>place, 4);
  }
  return table;
}

/** Returns the address of the table, 0 on failure. */
function decodeTable(message: u32, start: usize, end: usize, depth: u32): usize {
  if (depth >= MAX_DEPTH) return fail(TOO_DEEP, start - input, depth);
  const unknown = survey(message, start, end, depth);
  if (unknown < 0) return 0;
  const table = layOut(message, unknown, depth);
  if (!table) return 0;
  let unknownAt: usize = 0;
  if (unknown) {
    unknownAt = newVector(table + 4, unknown, 1);
    if (!unknownAt) return 0;
  }
  const first = firstField(message);
  const note = notes + depth * MAX_FIELDS * NOTE;
  let index: i32 = -1;
  for (let at = start; at < end; ) {
    const tag = at;
    at = readTag(tag, end, depth);
    const wireType = tagWireType;
    const repeats = index >= 0 && findField(message, tagNumber, index) == index;
    index = repeats ? index : findField(message, tagNumber, index + 1);
    if (index < 0) {
      at = skipValue(wireType, at, end, depth);
      memory.copy(unknownAt, tag, at - tag);
      unknownAt += at - tag;
      continue;
    }
    at = decodeField(first + index, note + index * NOTE, wireType, at, end, depth);
    if (!at) return 0;
  }
  return table;
}

/** Puts one occurrence of a field where its note says. */
function decodeField(field: u32, note: usize, wireType: u32, start: usize, end: usize, depth: u32): usize {
  const row = fieldRow(field);
  const type = typeOf(row);
  const place = <usize>load<u32>(note, 4);
  const repeated = labelOf(row) == REPEATED;
  const at = skipValue(wireType, start, end, depth);
  if (isScalar(type)) {
    const width = widthOf(type);
    if (wireType == DELIMITED) {
      let element = place;
      for (let next = at - <usize>varint; next < at; element += width) next = readScalar(element, type, next, at);
      store<u32>(note, <u32>element, 4);
    } else {
      readScalar(place, type, start, end);
      if (repeated) store<u32>(note, <u32>(place + width), 4);
    }
    return at;
  }
  const length = <usize>varint;
  const element = load<u32>(note, 8);
  if (repeated) {
    store<u32>(note, <u32>(place + 4), 4);
    store<u32>(note, element + 1, 8);
  }
  if (type != MESSAGE) {
    const written = repeated ? putBytesTable(place, at - length, length) : putBytes(place, at - length, length);
    return written ? at : 0;
  }
  enter(depth, field, repeated ? element : NO_ELEMENT);
  const table = decodeTable(messageOf(row), at - length, at, depth + 1);
  if (!table) return 0;
  store<u32>(place, <u32>(table - place));
  return at;
}

/** One number of the second pass, into `place`. */
// @ts-ignore: decorator
@inline
function readScalar(place: usize, type: u8, at: usize, end: usize): usize {
  if (type == FIXED64) {
    store<u64>(place, load<u64>(at));
    return at + 8;
  }
  const next = readVarint(at, end, 0);
  storeScalar(place, type, varint);
  return next;
}
