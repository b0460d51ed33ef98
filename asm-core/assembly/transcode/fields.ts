/** The fields of all messages as they are looked up and printed. */
import {
  fieldCount, fieldRow, fieldTotal, firstField, labelOf, messageOf, messageTotal, numberOf, REQUIRED, typeOf, wireTypeOf,
} from "./schema";
import { pretty, putSeparator, putShort, room } from "./text";

/** A field, in 32 bytes. */
// @ts-ignore: decorator
@unmanaged
export class Field {
  /** In protobuf; 0 where there is none. */
  tag: u32;
  /** The field that came after this one the last time. */
  guess: Field;
  /** Key with what stands before and after it: `, "name": `. */
  key: usize;
  /** The numbers that have names; see `describeFields`. */
  dictionary: usize;
  /** Functions of ./json: what prints the field, and one value of it. */
  printer: u32;
  valuePrinter: u32;
  keyLength: u16;
  message: u16;
  type: u8;
  style: u8;
  /** Whether the message must have it; of a head, how many it must have. */
  required: u8;
  /** When the number is printed as it is: sum of PLAIN_PRETTY and PLAIN_ELSE. */
  plain: u8;
}

export const PLAIN_PRETTY: u8 = 1;
export const PLAIN_ELSE: u8 = 2;

/** First the heads of all messages, which stand before their first fields; then fields in the order of the schema. */
let fields: usize = 0;
/** The host's table. */
let table: usize = 0;

/**
 * `from`: u32 offset of the names of all fields, and of "unknown", each with a blank after it; u32 their length; u32
 * number of fields with a style, and for each u32 field, u32 style, u32 offset of its dictionary or 0. A dictionary:
 * u32 count, and for each value u64 number, u32 offset and u32 length of its name. All this stays in memory, and 15
 * bytes after it may be read.
 */
export function describeFields(from: usize): void {
  table = from;
  const size = (messageTotal + fieldTotal + 1) * offsetof<Field>();
  fields = heap.alloc(size);
  memory.fill(fields, 0, size);
  for (let message: u32 = 0; message < messageTotal; message++) describe(message);
  makeKeys(table + load<u32>(table), load<u32>(table, 4));
  for (let at = table + 12; at < table + 12 + 12 * load<u32>(table, 8); at += 12) {
    const field = fieldAt(load<u32>(at));
    field.style = <u8>load<u32>(at, 4);
    field.dictionary = table + load<u32>(at, 8);
  }
}

/** Head and fields of a message, but for keys and styles. */
function describe(message: u32): void {
  const head = headOf(message);
  const first = firstField(message);
  const end = first + fieldCount(message);
  let before = head;
  for (let index = first; index < end; index++) {
    const field = fieldAt(index);
    const row = fieldRow(index);
    field.tag = (numberOf(row) << 3) | wireTypeOf(typeOf(row));
    field.message = <u16>messageOf(row);
    field.type = typeOf(row);
    field.required = labelOf(row) == REQUIRED ? 1 : 0;
    head.required += field.required;
    before.guess = field;
    before = field;
  }
  before.guess = unknownField();
}

function makeKeys(text: usize, length: usize): void {
  let key = heap.alloc(length + 5 * (fieldTotal + 1) + 16);
  for (let index: u32 = 0; index <= fieldTotal; index++) {
    const field = fieldAt(index);
    field.key = key;
    store<u32>(key, 0x22202c);
    for (key += 3; load<u8>(text) != 0x20; ) store<u8>(key++, load<u8>(text++));
    text++;
    store<u32>(key, 0x203a22);
    key += 3;
    field.keyLength = <u16>(key - field.key);
  }
}

/** What stands before the first field of a message. */
// @ts-ignore: decorator
@inline
export function headOf(message: u32): Field {
  return changetype<Field>(fields + message * offsetof<Field>());
}

/** The field with that index in the schema. */
// @ts-ignore: decorator
@inline
export function fieldAt(index: u32): Field {
  return changetype<Field>(fields + (messageTotal + index) * offsetof<Field>());
}

/** For all that the schema does not know; behind all others, and without a tag. */
// @ts-ignore: decorator
@inline
export function unknownField(): Field {
  return fieldAt(fieldTotal);
}

/** The key, and what stands before it. There is then room for a number. */
// @ts-ignore: decorator
@inline
export function putKey(field: Field, isFirst: bool, indent: u32): void {
  const length = <usize>field.keyLength;
  room(length + indent);
  if (pretty) putSeparator(isFirst, indent);
  // Without comma and blank.
  if (pretty || isFirst) putShort(field.key + 2, length - 2);
  else putShort(field.key, length);
}

/** The name of a number in the field's dictionary, to be given to `putName`; 0: it has none. */
export function nameOf(field: Field, value: u64): usize {
  const dictionary = field.dictionary;
  for (let index: u32 = 0; index < load<u32>(dictionary); index++) {
    const name = dictionary + 4 + 16 * index;
    if (load<u64>(name) == value) return name;
  }
  return 0;
}

export function putName(name: usize): void {
  const length = load<u32>(name, 12);
  room(length);
  putShort(table + load<u32>(name, 8), length);
}
