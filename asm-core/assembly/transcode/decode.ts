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
  addTo, BOOL, DELIMITED, fieldRow, findField, firstField, firstIn, FIXED64, isScalar, labelOf, MESSAGE, messageOf,
  nextIn, numberOf, REPEATED, requiredFields, SINT32, SINT64, slotOf, typeOf, widthOf, wireTypeOf,
} from "./schema";
import { beginReading, readTag, readVarint, skipValue, tagNumber, tagWireType, varint } from "./wire";

/**
 * Notes on the fields of the message at each level, 16 bytes a field: u32 occurrences; u32 where in the output
 * its value, or its next element, goes; u32 index of the next element. Only those of fields that occur hold.
 */
const NOTE: u32 = 16;
const notes: usize = memory.data(MAX_DEPTH * MAX_FIELDS * 16);
/** Which fields occur in the message at each level: a bit for each. */
const PRESENT: u32 = 16;
const present: usize = memory.data(MAX_DEPTH * 16);

/**
 * How the last table of each message was laid out, and one of `Bytes`: most are laid out as the one before. 16 bytes
 * of which fields occurred; u64 number of the call that last wrote the vtable; u32 where in its output; u32 1 with
 * unknown fields, 2 without, 0 where there was no table yet; the vtable.
 */
const SHAPE: u32 = 32 + 272;
const VTABLE: usize = 32;
const MAX_MESSAGES: u32 = 1024;
const shapes: usize = memory.data(MAX_MESSAGES * 304, 16);
const BYTES_TABLE: u32 = MAX_MESSAGES - 1;
let call: u64 = 0;

/** Bytes beyond the output that may be overwritten. */
const SLACK: usize = 16;

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
  outputEnd = into + capacity - SLACK;
  cursor = into;
  values = 0;
  call++;
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
  // Mostly few bytes, for which a call of memory.fill takes longer.
  for (let at: usize = 0; at < bytes; at += 16) v128.store(cursor + at, i64x2.splat(0));
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

/** The address of the shape's vtable in the output, which it is written to where it is not there yet. */
function vtableOf(shape: usize): usize {
  if (load<u64>(shape, 16) == call) return output + load<u32>(shape, 24);
  const size = <usize>load<u16>(shape, VTABLE);
  if (!align(4, 0) || !room(size)) return 0;
  const vtable = cursor;
  for (let at: usize = 0; at < size; at += 16) v128.store(vtable + at, v128.load(shape + VTABLE + at));
  cursor += size;
  store<u64>(shape, call, 16);
  store<u32>(shape, <u32>(vtable - output), 24);
  return vtable;
}

/** One table `Bytes` of the schema. */
function putBytesTable(place: usize, from: usize, length: usize): bool {
  const shape = shapes + BYTES_TABLE * SHAPE;
  store<u16>(shape, 6, VTABLE);
  store<u16>(shape, 8, VTABLE + 2);
  store<u16>(shape, 4, VTABLE + 4);
  const vtable = vtableOf(shape);
  if (!vtable || !align(4, 0) || !zeros(8)) return false;
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

/** The field of the tag that was read, where `last` was the one before it; -1: it is not known. */
// @ts-ignore: decorator
@inline
function fieldAfter(message: u32, last: i32): i32 {
  if (last >= 0 && numberOf(fieldRow(firstField(message) + last)) == tagNumber) return last;
  return findField(message, tagNumber, last + 1);
}

/** Checks the fields from `start` to `end` and counts them in the notes; returns the bytes of unknown ones, -1 on failure. */
function survey(message: u32, start: usize, end: usize, depth: u32): i32 {
  const first = firstField(message);
  const note = notes + depth * MAX_FIELDS * NOTE;
  const bits = present + depth * PRESENT;
  v128.store(bits, i64x2.splat(0));
  let unknown = 0;
  let index: i32 = -1;
  for (let at = start; at < end; ) {
    const tag = at;
    at = readTag(tag, end, depth);
    if (!at || !charge(1, tag, depth)) return -1;
    const wireType = tagWireType;
    index = fieldAfter(message, index);
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
    if (addTo(bits, index)) v128.store(own, i64x2.splat(0));
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
  const missing = firstIn(v128.andnot(requiredFields(message), v128.load(bits)));
  if (missing < MAX_FIELDS) {
    enter(depth, first + missing, NO_ELEMENT);
    return <i32>fail(MISSING, end - input, depth + 1) - 1;
  }
  return unknown;
}

/** The shape of a message whose fields were surveyed. */
function shapeOf(message: u32, unknown: u32, depth: u32): usize {
  const shape = shapes + message * SHAPE;
  const bits = present + depth * PRESENT;
  const kind: u32 = unknown ? 1 : 2;
  const isAsBefore = load<u64>(shape) == load<u64>(bits) && load<u64>(shape, 8) == load<u64>(bits, 8);
  if (isAsBefore && load<u32>(shape, 28) == kind) return shape;
  v128.store(shape, v128.load(bits));
  store<u64>(shape, 0, 16);
  store<u32>(shape, kind, 28);
  makeVtable(shape + VTABLE, firstField(message), v128.load(bits), unknown);
  return shape;
}

/** Gives a place to each field that occurs, and to the unknown ones. */
function makeVtable(vtable: usize, first: u32, fields: v128, unknown: u32): void {
  memory.fill(vtable, 0, SHAPE - <u32>VTABLE);
  let lastSlot: i32 = -1;
  let size: u32 = 4;
  if (unknown) {
    store<u16>(vtable, 4, 4);
    size = 8;
    lastSlot = 0;
  }
  // The widest first: only they need padding.
  for (let width: u32 = 8; width > 0; width = width == 8 ? 4 : width == 4 ? 1 : 0) {
    for (let index = firstIn(fields); index < MAX_FIELDS; index = nextIn(fields, index)) {
      const row = fieldRow(first + index);
      const own = labelOf(row) == REPEATED ? 4 : widthOf(typeOf(row));
      if (own != width) continue;
      const slot = slotOf(row);
      if (width == 8) size = (size + 3) & ~7 | 4;
      store<u16>(vtable + 4 + 2 * slot, <u16>size);
      size += width;
      lastSlot = max(lastSlot, <i32>slot);
    }
  }
  store<u16>(vtable, <u16>(4 + 2 * <u32>(lastSlot + 1)));
  store<u16>(vtable, <u16>size, 2);
}

/** Writes the zeroed table of a surveyed message, and empty vectors; puts the places of its fields into the notes. */
function layOut(message: u32, unknown: u32, depth: u32): usize {
  const first = firstField(message);
  const note = notes + depth * MAX_FIELDS * NOTE;
  const fields = v128.load(present + depth * PRESENT);
  const vtable = vtableOf(shapeOf(message, unknown, depth));
  if (!vtable) return 0;
  const size = <usize>load<u16>(vtable, 2);
  // 8-byte fields are at 4 modulo 8 of a table that is itself at 4 modulo 8.
  if (!align(8, 4) || !zeros(size)) return 0;
  const table = cursor - size;
  store<i32>(table, <i32>(table - vtable));
  for (let index = firstIn(fields); index < MAX_FIELDS; index = nextIn(fields, index)) {
    const own = note + index * NOTE;
    const row = fieldRow(first + index);
    let place = table + load<u16>(vtable + 4 + 2 * slotOf(row));
    if (labelOf(row) == REPEATED) {
      place = newVector(place, load<u32>(own), widthOf(typeOf(row)));
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
    index = fieldAfter(message, index);
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
