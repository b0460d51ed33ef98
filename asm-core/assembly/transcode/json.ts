/**
 * Messages as JSON, as crit prints them, straight from protobuf. What is printed are messages in the common form, in
 * which `encodeProtobuf` writes them: fields in the order of the schema, numbers of repeated fields each by itself,
 * and what is not known in the end.
 */
import {
  describeFields, Field, fieldAt, headOf, PLAIN_ELSE, PLAIN_PRETTY, putKey, unknownField,
} from "./fields";
import { MAX_DEPTH } from "./limits";
import { ADDRESS, ENUM, HEX, putEnum, putNumber, putStyled, SOCKET_NAME } from "./numbers";
import {
  BOOL, BYTES, fieldRow, fieldTotal, findField, firstField, FIXED64, labelOf, MESSAGE, REPEATED, SINT32, SINT64, STRING,
} from "./schema";
import {
  pretty, put, putAddress, putBase64, putDecimal, putLine, putQuotedPrintable, putSeparator, putString, room,
} from "./text";
import { readTag, readVarint, skipValue, tagNumber, varint } from "./wire";

/** Takes the names and styles of fields, as `describeFields` does. */
export function setNames(table: usize): void {
  describeFields(table);
  for (let index: u32 = 0; index < fieldTotal; index++) {
    const field = fieldAt(index);
    const isRepeated = labelOf(fieldRow(index)) == REPEATED;
    field.valuePrinter = printerOf(field.type, field.style);
    field.printer = !isRepeated
      ? field.valuePrinter
      : field.style == ADDRESS ? putAddresses.index : putElements.index;
    const isSimple = field.type < FIXED64 && field.type != BOOL && field.type != SINT32 && field.type != SINT64;
    if (isRepeated || !isSimple || field.style == ENUM) continue;
    field.plain = field.style ? PLAIN_ELSE : PLAIN_PRETTY | PLAIN_ELSE;
  }
}

/** What prints one value of a field. */
function printerOf(type: u8, style: u8): u32 {
  if (type == MESSAGE) return putInner.index;
  if (type == STRING) return putText.index;
  if (type == BYTES) return style == SOCKET_NAME ? putSocketName.index : putBytes.index;
  if (type == FIXED64) return putFixed.index;
  if (style == ENUM) return putEnumValue.index;
  return style ? putStyledValue.index : putNumberValue.index;
}

/**
 * Appends the message to the text, of which further lines begin at column `indent`. False where it is in another form
 * or cannot be read: the text is then of no use from there on.
 */
export function putMessage(message: u32, start: usize, end: usize, indent: u32): bool {
  return putFields(message, start, end, indent, false, 0);
}

function putFields(message: u32, start: usize, end: usize, indent: u32, hex: bool, depth: u32): bool {
  if (depth >= MAX_DEPTH) return false;
  const plain = !pretty ? PLAIN_ELSE : hex ? 0 : PLAIN_PRETTY;
  const head = headOf(message);
  let before = head;
  let missing = head.required;
  room(1);
  put(0x7b);
  for (let at = start; at < end; ) {
    const first = at;
    at = readVarint(first, end, 0);
    if (!at) return false;
    let field = before.guess;
    if (varint != field.tag) {
      field = fieldThere(message, first, end);
      if (changetype<usize>(field) <= changetype<usize>(before)) return false;
      before.guess = field;
    }
    putKey(field, before == head, indent + 4);
    before = field;
    missing -= field.required;
    if (field.plain & plain) {
      at = readVarint(at, end, 0);
      if (varint <= <u64>i32.MAX_VALUE) putDecimal(varint);
      else putNumber(field, varint, false);
    } else if (field == unknownField()) {
      at = putUnknown(message, first, end);
    } else {
      at = call_indirect<usize>(field.printer, field, at, end, indent + 4, hex, depth);
    }
    if (!at) return false;
  }
  if (missing) return false;
  if (before != head) putLine(indent);
  room(1);
  put(0x7d);
  return true;
}

/** The field whose tag is there; none where it is no tag, or not that of the field. */
function fieldThere(message: u32, at: usize, end: usize): Field {
  if (!readTag(at, end, 0)) return changetype<Field>(0);
  const index = findField(message, tagNumber, 0);
  if (index < 0) return unknownField();
  const field = fieldAt(firstField(message) + index);
  return varint == field.tag ? field : changetype<Field>(0);
}

/** The unknown fields, with which a message ends, in base64. Returns the end, 0 where others come after them. */
function putUnknown(message: u32, start: usize, end: usize): usize {
  for (let at = start; at < end; ) {
    const value = readVarint(at, end, 0);
    const wireType = <u32>varint & 7;
    if (!value || fieldThere(message, at, end) != unknownField()) return 0;
    at = skipValue(wireType, value, end, 0);
    if (!at) return 0;
  }
  putBase64(start, end - start);
  return end;
}

// Printers. Each prints what is at `at`, after the field's tag, and returns the address after it, 0 on failure. They
// are called by index, so that none becomes a part of another: V8 is done with many small functions much sooner.

function putNumberValue(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const next = readVarint(at, end, 0);
  if (next) putNumber(field, varint, hex);
  return next;
}

function putStyledValue(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const next = readVarint(at, end, 0);
  if (next) putStyled(field, varint, hex);
  return next;
}

function putEnumValue(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const next = readVarint(at, end, 0);
  if (next) putEnum(field, varint);
  return next;
}

function putFixed(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  if (end - at < 8) return 0;
  putStyled(field, load<u64>(at), hex);
  return at + 8;
}

function putInner(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const start = contentOf(at, end);
  if (!start) return 0;
  const next = start + <usize>varint;
  return putFields(field.message, start, next, indent, hex || field.style == HEX, depth + 1) ? next : 0;
}

function putText(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const start = contentOf(at, end);
  if (!start) return 0;
  const length = <usize>varint;
  putString(start, length);
  return start + length;
}

function putBytes(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const start = contentOf(at, end);
  if (!start) return 0;
  const length = <usize>varint;
  putBase64(start, length);
  return start + length;
}

function putSocketName(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  const start = contentOf(at, end);
  if (!start) return 0;
  const length = <usize>varint;
  putQuotedPrintable(start, length);
  return start + length;
}

/** Where bytes begin whose length is there; it is then in `varint`. 0: there are less. */
// @ts-ignore: decorator
@inline
function contentOf(at: usize, end: usize): usize {
  const start = readVarint(at, end, 0);
  return start && varint <= end - start ? start : 0;
}

/** All values of a repeated field. */
function putElements(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  let last: usize = 0;
  room(1);
  put(0x5b);
  for (let next = at; next; next = nextElement(field, last, end)) {
    putSeparator(next == at, indent + 4);
    last = call_indirect<usize>(field.valuePrinter, field, next, end, indent + 4, hex, depth);
    if (!last) return 0;
  }
  putLine(indent);
  room(1);
  put(0x5d);
  return last;
}

/** Where the next value of a repeated field is; 0: something else is there. */
function nextElement(field: Field, at: usize, end: usize): usize {
  if (at >= end) return 0;
  const value = readVarint(at, end, 0);
  return varint == field.tag ? value : 0;
}

/** Most words of an address. */
const MOST_WORDS: u32 = 4;
const words = memory.data(16);

/** Words of which one or four are an address. */
function putAddresses(field: Field, at: usize, end: usize, indent: u32, hex: bool, depth: u32): usize {
  let count: u32 = 0;
  let last = at;
  for (let next = at; next && count <= MOST_WORDS; next = nextElement(field, last, end)) {
    last = readVarint(next, end, 0);
    if (!last) return 0;
    if (count < MOST_WORDS) store<u32>(words + 4 * count, <u32>varint);
    count++;
  }
  if (!pretty || (count != 1 && count != MOST_WORDS)) return putElements(field, at, end, indent, hex, depth);
  room(1);
  put(0x5b);
  putSeparator(true, indent + 4);
  putAddress(words, 4 * count);
  putLine(indent);
  room(1);
  put(0x5d);
  return last;
}
