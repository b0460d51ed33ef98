/**
 * Checks a FlatBuffer of a message before anything reads it: every offset, size, alignment and vtable; depth
 * and number of values. Offsets point forward only, so tables cannot be in cycles; tables that are referred
 * to from several places count each time.
 */
import {
  BAD_BOOL, BAD_VTABLE, enter, fail, KNOWN_FIELD, MISALIGNED, MISSING, NEWER_SCHEMA, NO_ELEMENT, OUT_OF_BOUNDS, TOO_DEEP,
  TOO_LARGE, TOO_MANY_VALUES, UNKNOWN_FIELDS,
} from "./failure";
import { MAX_DEPTH, MAX_FLAT, MAX_VALUES } from "./limits";
import {
  BOOL, fieldCount, fieldRow, findField, firstField, isScalar, labelOf, MESSAGE, messageOf, REPEATED, REQUIRED, slotOf,
  typeOf, widthOf,
} from "./schema";
import { beginReading, readTag, skipValue, tagNumber, tagWireType } from "./wire";

let base: usize = 0;
let size: u64 = 0;
let values: u32 = 0;

/** Vtable and size of the table that was checked last. */
let vtable: usize = 0;
let vtableSize: u32 = 0;
let tableSize: u32 = 0;

export function verifyFlat(message: u32, buffer: usize, length: usize): bool {
  base = buffer;
  beginReading(buffer);
  size = length;
  values = 0;
  if (length > MAX_FLAT) return fail(TOO_LARGE, MAX_FLAT, 0) != 0;
  if (length < 4) return fail(OUT_OF_BOUNDS, 0, 0) != 0;
  return verifyTable(message, load<u32>(buffer), 0);
}

function charge(count: u64, at: u64, depth: u32): bool {
  const total = <u64>values + count;
  if (total > MAX_VALUES) return fail(TOO_MANY_VALUES, <usize>at, depth) != 0;
  values = <u32>total;
  return true;
}

/** Checks what does not depend on the message; leaves `vtable`, `vtableSize`, `tableSize`. */
function verifyHead(at: u64, depth: u32): bool {
  if (at & 3) return fail(MISALIGNED, <usize>at, depth) != 0;
  if (at + 4 > size) return fail(OUT_OF_BOUNDS, <usize>at, depth) != 0;
  const start = <i64>at - <i64>load<i32>(base + <usize>at);
  if (start < 0 || <u64>start + 4 > size) return fail(OUT_OF_BOUNDS, <usize>at, depth) != 0;
  if (start & 1) return fail(MISALIGNED, <usize>at, depth) != 0;
  vtable = base + <usize>start;
  vtableSize = load<u16>(vtable);
  tableSize = load<u16>(vtable, 2);
  if (vtableSize < 4 || (vtableSize & 1) != 0 || tableSize < 4 || <u64>start + vtableSize > size) {
    return fail(BAD_VTABLE, <usize>start, depth) != 0;
  }
  if (at + tableSize > size) return fail(OUT_OF_BOUNDS, <usize>at, depth) != 0;
  return true;
}

/** Offset of a field in its table, 0 when it is not there. */
// @ts-ignore: decorator
@inline
function offsetOf(vtable: usize, vtableSize: u32, slot: u32): u32 {
  const entry: u32 = 4 + 2 * slot;
  return entry < vtableSize ? load<u16>(vtable + entry) : 0;
}

function verifyTable(message: u32, at: u64, depth: u32): bool {
  if (depth >= MAX_DEPTH) return fail(TOO_DEEP, <usize>at, depth) != 0;
  if (!verifyHead(at, depth)) return false;
  // Copies: the calls below go on to other tables.
  const ownVtable = vtable;
  const ownVtableSize = vtableSize;
  const ownSize = tableSize;
  const first = firstField(message);
  const count = fieldCount(message);
  if (!charge(1, at, depth)) return false;
  for (let entry: u32 = 4 + 2 * (count + 1); entry < ownVtableSize; entry += 2) {
    if (load<u16>(ownVtable + entry)) return fail(NEWER_SCHEMA, ownVtable + entry - base, depth) != 0;
  }
  const unknown = offsetOf(ownVtable, ownVtableSize, 0);
  if (unknown && !verifyUnknown(message, at, unknown, ownSize, depth)) return false;
  for (let index: u32 = 0; index < count; index++) {
    const row = fieldRow(first + index);
    const offset = offsetOf(ownVtable, ownVtableSize, slotOf(row));
    const type = typeOf(row);
    const label = labelOf(row);
    if (offset == 0) {
      if (label != REQUIRED || isScalar(type)) continue;
      enter(depth, first + index, NO_ELEMENT);
      return fail(MISSING, <usize>at, depth + 1) != 0;
    }
    enter(depth, first + index, NO_ELEMENT);
    if (!charge(1, at, depth + 1)) return false;
    if (label != REPEATED && isScalar(type)) {
      if (!verifyScalar(at, offset, ownSize, type, depth + 1)) return false;
      continue;
    }
    if (!verifyReferred(at, offset, ownSize, depth + 1)) return false;
    const field = at + offset;
    if (label == REPEATED) {
      if (!verifyRepeated(row, first + index, field, depth)) return false;
    } else if (type == MESSAGE) {
      if (!verifyTable(messageOf(row), field + load<u32>(base + <usize>field), depth + 1)) return false;
    } else if (!verifyVector(field, 1, depth + 1)) {
      return false;
    }
  }
  return true;
}

function verifyScalar(at: u64, offset: u32, tableSize: u32, type: u8, depth: u32): bool {
  const width = widthOf(type);
  if (offset < 4 || offset + width > tableSize) return fail(BAD_VTABLE, <usize>at, depth) != 0;
  if ((at + offset) & (width - 1)) return fail(MISALIGNED, <usize>(at + offset), depth) != 0;
  if (type == BOOL && load<u8>(base + <usize>(at + offset)) > 1) {
    return fail(BAD_BOOL, <usize>(at + offset), depth) != 0;
  }
  return true;
}

/** The place of an offset in its table; what it points to is checked by whoever follows it. */
function verifyReferred(at: u64, offset: u32, tableSize: u32, depth: u32): bool {
  if (offset < 4 || offset + 4 > tableSize) return fail(BAD_VTABLE, <usize>at, depth) != 0;
  if ((at + offset) & 3) return fail(MISALIGNED, <usize>(at + offset), depth) != 0;
  return true;
}

/** The vector that the offset at `field` points to, of elements of `width` bytes. */
function verifyVector(field: u64, width: u32, depth: u32): bool {
  const vector = field + load<u32>(base + <usize>field);
  if (vector & 3) return fail(MISALIGNED, <usize>field, depth) != 0;
  if (vector + 4 > size) return fail(OUT_OF_BOUNDS, <usize>field, depth) != 0;
  if ((vector + 4) & (width - 1)) return fail(MISALIGNED, <usize>field, depth) != 0;
  const bytes = <u64>load<u32>(base + <usize>vector) * width;
  if (vector + 4 + bytes > size) return fail(OUT_OF_BOUNDS, <usize>vector, depth) != 0;
  return true;
}

/** Slot 0: whole protobuf fields, none of them one that the message has a slot for. */
function verifyUnknown(message: u32, table: u64, offset: u32, tableSize: u32, depth: u32): bool {
  enter(depth, UNKNOWN_FIELDS, NO_ELEMENT);
  const known = depth + 1;
  if (!verifyReferred(table, offset, tableSize, known)) return false;
  const place = table + offset;
  if (!verifyVector(place, 1, known)) return false;
  const vector = base + <usize>(place + load<u32>(base + <usize>place));
  const end = vector + 4 + load<u32>(vector);
  for (let at = vector + 4; at < end; ) {
    const tag = at;
    at = readTag(tag, end, known);
    if (!at || !charge(1, tag - base, known)) return false;
    if (findField(message, tagNumber, 0) >= 0) return fail(KNOWN_FIELD, tag - base, known) != 0;
    at = skipValue(tagWireType, at, end, known);
    if (!at) return false;
  }
  return true;
}

function verifyRepeated(row: usize, field: u32, place: u64, depth: u32): bool {
  const type = typeOf(row);
  if (!verifyVector(place, widthOf(type), depth + 1)) return false;
  const vector = place + load<u32>(base + <usize>place);
  const count = load<u32>(base + <usize>vector);
  if (!charge(count, vector, depth + 1)) return false;
  for (let index: u32 = 0; index < count; index++) {
    const element = vector + 4 + <u64>index * widthOf(type);
    if (isScalar(type)) {
      if (type != BOOL) return true;
      enter(depth, field, index);
      if (load<u8>(base + <usize>element) > 1) return fail(BAD_BOOL, <usize>element, depth + 1) != 0;
      continue;
    }
    enter(depth, field, index);
    const target = element + load<u32>(base + <usize>element);
    if (type == MESSAGE) {
      if (!verifyTable(messageOf(row), target, depth + 1)) return false;
    } else if (!verifyBytesTable(target, depth + 1)) {
      return false;
    }
  }
  return true;
}

/** A table `Bytes` of the schema: one required vector of bytes in slot 0. */
function verifyBytesTable(at: u64, depth: u32): bool {
  if (!verifyHead(at, depth)) return false;
  for (let entry: u32 = 6; entry < vtableSize; entry += 2) {
    if (load<u16>(vtable + entry)) return fail(NEWER_SCHEMA, vtable + entry - base, depth) != 0;
  }
  const offset = offsetOf(vtable, vtableSize, 0);
  if (offset == 0) return fail(MISSING, <usize>at, depth) != 0;
  return verifyReferred(at, offset, tableSize, depth) && verifyVector(at + offset, 1, depth);
}
