/**
 * FlatBuffers -> protobuf, as protobuf-c writes it: fields by number, unknown ones last, repeated numbers not
 * packed. Written from the end to the start, so that the size of a message is known when its length is due.
 * Takes verified buffers only.
 */
import { fail, OUTPUT_FULL } from "./failure";
import {
  fieldCount, fieldRow, firstField, FIXED64, INT32, isScalar, labelOf, MESSAGE, messageOf,
  numberOf, REPEATED, REQUIRED, SINT32, SINT64, slotOf, typeOf, widthOf, wireTypeOf,
} from "./schema";

/** Where the output begins, and where what is written so far begins. */
let limit: usize = 0;
let cursor: usize = 0;

/** Writes the message into the end of `output`; returns where it begins there, 0 when it does not fit. */
export function encodeProtobuf(message: u32, flat: usize, output: usize, capacity: usize): usize {
  limit = output;
  cursor = output + capacity;
  return encodeTable(message, flat + load<u32>(flat)) ? cursor : 0;
}

function room(bytes: usize): bool {
  if (cursor - limit < bytes) return fail(OUTPUT_FULL, 0, 0) != 0;
  cursor -= bytes;
  return true;
}

function putVarint(value: u64): bool {
  const bits = 64 - <i32>clz(value | 1);
  const bytes = (bits + 6) / 7;
  if (!room(bytes)) return false;
  let at = cursor;
  while (value >= 0x80) {
    store<u8>(at++, <u8>value | 0x80);
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return true;
}

function putBytes(vector: usize): bool {
  const length = load<u32>(vector);
  if (!room(length)) return false;
  memory.copy(cursor, vector + 4, length);
  return true;
}

// @ts-ignore: decorator
@inline
function putTag(row: usize): bool {
  return putVarint(<u64>(numberOf(row) << 3 | wireTypeOf(typeOf(row))));
}

/** A number with its tag. `at` 0: the default of a required field, 0. */
function putScalar(row: usize, at: usize): bool {
  const type = typeOf(row);
  let raw: u64 = 0;
  if (at) {
    const width = widthOf(type);
    if (width == 8) raw = load<u64>(at);
    else raw = width == 4 ? <u64>load<u32>(at) : <u64>load<u8>(at);
  }
  if (type == FIXED64) {
    if (!room(8)) return false;
    store<u64>(cursor, raw);
    return putTag(row);
  }
  if (type == INT32) raw = <u64>(<i64>(<i32>raw));
  else if (type == SINT32) raw = <u64>(<u32>(<i32>raw << 1 ^ <i32>raw >> 31));
  else if (type == SINT64) raw = <u64>(<i64>raw << 1 ^ <i64>raw >> 63);
  return putVarint(raw) && putTag(row);
}

// @ts-ignore: decorator
@inline
function follow(at: usize): usize {
  return at + load<u32>(at);
}

function putDelimited(row: usize, target: usize): bool {
  const end = cursor;
  const written = typeOf(row) == MESSAGE ? encodeTable(messageOf(row), target) : putBytes(target);
  return written && putVarint(end - cursor) && putTag(row);
}

function putRepeated(row: usize, vector: usize): bool {
  const type = typeOf(row);
  const width = widthOf(type);
  for (let left = load<u32>(vector); left > 0; left--) {
    const element = vector + 4 + <usize>(left - 1) * width;
    if (isScalar(type)) {
      if (!putScalar(row, element)) return false;
      continue;
    }
    let target = follow(element);
    if (type != MESSAGE) target = follow(target + fieldOffset(target, 0));
    if (!putDelimited(row, target)) return false;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function fieldOffset(table: usize, slot: u32): u32 {
  const vtable = table - load<i32>(table);
  const entry: u32 = 4 + 2 * slot;
  return entry < <u32>load<u16>(vtable) ? load<u16>(vtable + entry) : 0;
}

function encodeTable(message: u32, table: usize): bool {
  const unknown = fieldOffset(table, 0);
  if (unknown && !putBytes(follow(table + unknown))) return false;
  const first = firstField(message);
  for (let index = fieldCount(message); index > 0; index--) {
    const row = fieldRow(first + index - 1);
    const offset = fieldOffset(table, slotOf(row));
    const scalar = isScalar(typeOf(row));
    const label = labelOf(row);
    if (offset == 0) {
      if (label == REQUIRED && scalar && !putScalar(row, 0)) return false;
      continue;
    }
    const field = table + offset;
    let written: bool;
    if (label == REPEATED) written = putRepeated(row, follow(field));
    else written = scalar ? putScalar(row, field) : putDelimited(row, follow(field));
    if (!written) return false;
  }
  return true;
}
