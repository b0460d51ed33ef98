/**
 * Messages as JSON, as crit prints them, straight from protobuf: fields in the order of the schema, whatever their
 * order in the message is. What cannot be read is given up; why it cannot, `decodeProtobuf` knows.
 */
import { MAX_DEPTH } from "./limits";
import { DELIMITED, findField, firstField, FIXED64, isScalar, MESSAGE, STRING, VARINT } from "./schema";
import {
  ADDRESS, fieldAt, guessAfter, headOf, HEX, isRepeated, isRequired, messageIn, putKey, putScalar, requiredIn,
  setGuess, SOCKET_NAME, styleIn, tagIn, typeIn, unknownField,
} from "./styles";
import {
  cursor, pretty, put, putAddress, putBase64, putLine, putQuotedPrintable, putSeparator, putString, room,
} from "./text";
import { readTag, readVarint, skipValue, tagNumber, varint } from "./wire";

/**
 * The values of the messages that are being printed, those of an inner message after those of the outer one. 16 bytes
 * each: u32 address, u32 field; u64 the number on the wire, or how many bytes there are at the address.
 */
export const VALUE: usize = 16;
/** Where the next value goes. */
let top: usize = 0;

/**
 * Appends the message to the text, of which further lines begin at column `indent`. `list`: room for as many values as
 * there are. False where the message cannot be read: the text is then of no use.
 */
export function putMessage(message: u32, start: usize, end: usize, indent: u32, list: usize): bool {
  top = list;
  return putFields(message, start, end, indent, false, 0);
}

// Values, in the order of the fields in the schema, and those of one field in their own.

// @ts-ignore: decorator
@inline
function fieldOf(value: usize): usize {
  return load<u32>(value, 4);
}

// @ts-ignore: decorator
@inline
function addressOf(value: usize): usize {
  return load<u32>(value);
}

// @ts-ignore: decorator
@inline
function contentOf(value: usize): u64 {
  return load<u64>(value, 8);
}

/** Appends the values of a message to the list; false where they cannot be read. */
function listValues(message: u32, start: usize, end: usize): bool {
  const list = top;
  let before = headOf(message);
  let missing = requiredIn(before);
  let last: usize = 0;
  let isSorted = true;
  for (let at = start; at < end; ) {
    const first = at;
    at = readVarint(first, end, 0);
    if (!at) return false;
    const tag = varint;
    const wireType = <u32>tag & 7;
    let field = guessAfter(before);
    // 0 is no tag, though the guess may be what has none.
    if (tag != tagIn(field) || !tag) {
      if (!readTag(first, end, 0)) return false;
      field = findIn(message, tagNumber);
    }
    at = skipValue(wireType, at, end, 0);
    if (!at) return false;
    if (field < last) isSorted = false;
    last = field;
    if (field == unknownField()) {
      addValue(field, first, at - first);
      continue;
    }
    setGuess(before, field);
    before = field;
    if (isRequired(field)) missing--;
    if (tag != tagIn(field)) {
      if (wireType != DELIMITED || !isRepeated(field) || !isScalar(typeIn(field))) return false;
      if (!listPacked(field, at - <usize>varint, at)) return false;
    } else if (wireType == DELIMITED) {
      addValue(field, at - <usize>varint, varint);
    } else {
      addValue(field, first, wireType == VARINT ? varint : load<u64>(at - 8));
    }
  }
  if (!isSorted) sortValues(list, (top - list) / VALUE);
  return missing == 0;
}

// @ts-ignore: decorator
@inline
function addValue(field: usize, address: usize, content: u64): void {
  store<u64>(top, (<u64>field << 32) | <u64>address);
  store<u64>(top, content, 8);
  top += VALUE;
}

function findIn(message: u32, number: u32): usize {
  const index = findField(message, number, 0);
  return index < 0 ? unknownField() : fieldAt(firstField(message) + index);
}

/** Appends the numbers of a packed run. */
function listPacked(field: usize, start: usize, end: usize): bool {
  const isFixed = typeIn(field) == FIXED64;
  if (isFixed && (end - start) & 7) return false;
  for (let at = start; at < end; ) {
    const number = at;
    at = isFixed ? at + 8 : readVarint(at, end, 0);
    if (!at) return false;
    addValue(field, number, isFixed ? load<u64>(number) : varint);
  }
  return true;
}

/** By heaps, as there may be millions of them. */
function sortValues(list: usize, count: usize): void {
  for (let root = count >> 1; root > 0; ) sink(list, --root, count);
  for (let end = count; end > 1; ) {
    const largest = v128.load(list);
    v128.store(list, v128.load(list + VALUE * --end));
    v128.store(list + VALUE * end, largest);
    sink(list, 0, end);
  }
}

/** Has a value change places with the larger one of the two below it until none is larger. */
function sink(list: usize, index: usize, count: usize): void {
  const sinking = v128.load(list + VALUE * index);
  const rank = i64x2.extract_lane(sinking, 0);
  for (;;) {
    let below: usize = 2 * index + 1;
    if (below >= count) break;
    if (below + 1 < count && rankOf(list, below + 1) > rankOf(list, below)) below++;
    if (rankOf(list, below) <= <u64>rank) break;
    v128.store(list + VALUE * index, v128.load(list + VALUE * below));
    index = below;
  }
  v128.store(list + VALUE * index, sinking);
}

// @ts-ignore: decorator
@inline
function rankOf(list: usize, index: usize): u64 {
  return load<u64>(list + VALUE * index);
}

// Printing.

/** Each returns false, or 0, where the message cannot be read. */
function putFields(message: u32, start: usize, end: usize, indent: u32, hex: bool, depth: u32): bool {
  const list = top;
  if (depth >= MAX_DEPTH || !listValues(message, start, end)) return false;
  const stop = top;
  let last: usize = 0;
  room(1);
  put(0x7b);
  for (let value = list; value < stop; ) {
    const field = fieldOf(value);
    // A repeated field's values are all taken at once.
    if (field == last) return false;
    last = field;
    putKey(field, value == list, indent + 4);
    if (isRepeated(field)) {
      value = putElements(field, value, stop, indent + 4, hex, depth);
      if (!value) return false;
    } else if (field == unknownField()) {
      putUnknown(value, stop);
      break;
    } else {
      if (!putValue(field, value, indent + 4, hex, depth)) return false;
      value += VALUE;
    }
  }
  if (last) putLine(indent);
  room(1);
  put(0x7d);
  top = list;
  return true;
}

function putValue(field: usize, value: usize, indent: u32, hex: bool, depth: u32): bool {
  const type = typeIn(field);
  const content = contentOf(value);
  if (isScalar(type)) {
    putScalar(field, content, hex);
    return true;
  }
  const start = addressOf(value);
  const length = <usize>content;
  if (type == MESSAGE) {
    return putFields(messageIn(field), start, start + length, indent, hex || styleIn(field) == HEX, depth + 1);
  }
  if (type == STRING) putString(start, length);
  else if (styleIn(field) == SOCKET_NAME) putQuotedPrintable(start, length);
  else putBase64(start, length);
  return true;
}

/** The values of a repeated field, the first of which is given; returns the value after them. */
function putElements(field: usize, first: usize, stop: usize, indent: u32, hex: bool, depth: u32): usize {
  let end = first;
  while (end < stop && fieldOf(end) == field) end += VALUE;
  const count = <u32>((end - first) / VALUE);
  room(1);
  put(0x5b);
  if (pretty && styleIn(field) == ADDRESS && (count == 1 || count == 4)) {
    putSeparator(true, indent + 4);
    for (let index: u32 = 0; index < count; index++)
      store<u32>(words + 4 * index, <u32>contentOf(first + VALUE * index));
    putAddress(words, 4 * count);
  } else {
    for (let value = first; value < end; value += VALUE) {
      putSeparator(value == first, indent + 4);
      if (!putValue(field, value, indent + 4, hex, depth)) return 0;
    }
  }
  putLine(indent);
  room(1);
  put(0x5d);
  return end;
}

/** Those of an address. */
const words = memory.data(16);

/** Unknown fields, one after the other as they are, in base64. */
function putUnknown(first: usize, stop: usize): void {
  let length: usize = 0;
  for (let value = first; value < stop; value += VALUE) length += <usize>contentOf(value);
  // They are brought together behind the place for their text.
  room(3 * length + 256);
  const pieces = cursor + 2 * length + 192;
  let end = pieces;
  for (let value = first; value < stop; value += VALUE) {
    memory.copy(end, addressOf(value), <usize>contentOf(value));
    end += <usize>contentOf(value);
  }
  putBase64(pieces, length);
}
