/** Numbers in the words of crit. */
import { Field, nameOf, putName } from "./fields";
import { BOOL, FIXED64, INT32, INT64, SINT32, SINT64, UINT32, UINT64 } from "./schema";
import { pretty, put, putDecimal, putFour, putHex, putPair, putQuote, room } from "./text";

/** How a field is printed. The same numbers are in ts-host/images/json/styles.ts. */
export const HEX: u8 = 1;
const DEVICE: u8 = 2;
const STAT_DEVICE: u8 = 3;
const FLAGS: u8 = 4;
const NAMED: u8 = 5;
/** Named also where it is not pretty. */
export const ENUM: u8 = 6;
export const ADDRESS: u8 = 7;
export const SOCKET_NAME: u8 = 8;

/** What a number on the wire means, as 64 bits. */
// @ts-ignore: decorator
@inline
function wholeNumber(type: u8, value: u64): u64 {
  if (type == UINT32) return <u64>(<u32>value);
  if (type == INT32) return <u64>(<i64>(<i32>value));
  if (type == SINT32) return <u64>(<i64>(<i32>((<u32>value >> 1) ^ (0 - (<u32>value & 1)))));
  return type == SINT64 ? (value >> 1) ^ (0 - (value & 1)) : value;
}

// @ts-ignore: decorator
@inline
function isNegative(type: u8, value: u64): bool {
  return type != UINT64 && type != FIXED64 && <i64>value < 0;
}

/** A bool or a number of no style, given as it is on the wire. There is room for a number. */
export function putNumber(field: Field, onWire: u64, hex: bool): void {
  const type = field.type;
  if (type == BOOL) return putBool(onWire != 0);
  const value = wholeNumber(type, onWire);
  if (hex && pretty) putQuotedHex(value, isNegative(type, value));
  else putWhole(value, isNegative(type, value));
}

function putWhole(value: u64, negative: bool): void {
  if (negative) put(0x2d);
  putDecimal(negative ? 0 - value : value);
}

function putQuotedHex(value: u64, negative: bool): void {
  putQuote();
  putHex(value, negative);
  putQuote();
}

function putBool(value: bool): void {
  putFour(value ? 0x65757274 : 0x736c6166);
  if (!value) put(0x65);
}

/** By its name, where it has one. */
export function putEnum(field: Field, onWire: u64): void {
  const value = wholeNumber(field.type, onWire);
  const name = nameOf(field, value);
  if (!name) return putWhole(value, isNegative(field.type, value));
  putQuote();
  putName(name);
  putQuote();
}

/** A number of any style but ENUM. */
export function putStyled(field: Field, onWire: u64, hex: bool): void {
  const style = field.style;
  const value = wholeNumber(field.type, onWire);
  const negative = isNegative(field.type, value);
  if (!pretty) return putWhole(value, negative);
  if (hex || style == HEX) return putQuotedHex(value, negative);
  if (style == NAMED) return putEnum(field, onWire);
  if (style == FLAGS) return putFlags(field.dictionary, value, negative);
  if (style == DEVICE) return putPair(value >> 20, value & 0xfffff);
  if (style != STAT_DEVICE) return putWhole(value, negative);
  // As stat(2) gives it: the low bits of major and minor lie below the high ones.
  const major = ((value >> 8) & 0xfff) | ((value >> 32) & 0xfffff000);
  putPair(major, (value & 0xff) | ((value >> 12) & 0xffffff00));
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
