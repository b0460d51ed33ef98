/**
 * Reading protobuf. Each function returns the address after what it read, 0 on failure. Seven bytes after the end may
 * be read.
 */
import { BAD_TAG, fail, LONG_VARINT, TRUNCATED } from "./failure";
import { DELIMITED, EIGHT_BYTES, FOUR_BYTES, VARINT } from "./schema";

/** What was found. */
export let varint: u64 = 0;
export let tagNumber: u32 = 0;
export let tagWireType: u32 = 0;

/** The start of the input: failures give offsets from here. */
let origin: usize = 0;

export function beginReading(from: usize): void {
  origin = from;
}

// @ts-ignore: decorator
@inline
export function readVarint(at: usize, end: usize, depth: u32): usize {
  if (at < end) {
    const byte = load<u8>(at);
    if (byte < 0x80) {
      varint = byte;
      return at + 1;
    }
  }
  return readLongVarint(at, end, depth);
}

/** Seven bits of each of eight bytes together. */
// @ts-ignore: decorator
@inline
function gather(bytes: u64): u64 {
  bytes = (bytes & 0x007f007f007f007f) | ((bytes & 0x7f007f007f007f00) >> 1);
  bytes = (bytes & 0x00003fff00003fff) | ((bytes & 0x3fff00003fff0000) >> 2);
  return (bytes & 0x0fffffff) | ((bytes & 0x0fffffff00000000) >> 4);
}

function readLongVarint(start: usize, end: usize, depth: u32): usize {
  const word = load<u64>(start);
  const last = ~word & 0x8080808080808080;
  const after = start + (<usize>ctz(last) >> 3) + 1;
  if (last && after <= end) {
    varint = gather(word & 0x7f7f7f7f7f7f7f7f & (last ^ (last - 1)));
    return after;
  }
  let result: u64 = 0;
  let at = start;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (at >= end) return fail(TRUNCATED, at - origin, depth);
    const byte = load<u8>(at++);
    result |= <u64>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      varint = result;
      return at;
    }
  }
  return fail(LONG_VARINT, start - origin, depth);
}

export function readTag(start: usize, end: usize, depth: u32): usize {
  const at = readVarint(start, end, depth);
  if (!at) return 0;
  tagNumber = <u32>(varint >> 3);
  tagWireType = <u32>varint & 7;
  const known = tagWireType <= DELIMITED || tagWireType == FOUR_BYTES;
  if (varint > u32.MAX_VALUE || tagNumber == 0 || !known) return fail(BAD_TAG, start - origin, depth);
  return at;
}

/** Passes over a value; of a delimited one, `varint` is then the length. */
export function skipValue(wireType: u32, start: usize, end: usize, depth: u32): usize {
  if (wireType == VARINT) return readVarint(start, end, depth);
  let at = start;
  let length: u64 = wireType == EIGHT_BYTES ? 8 : 4;
  if (wireType == DELIMITED) {
    at = readVarint(start, end, depth);
    if (!at) return 0;
    length = varint;
  }
  if (length > end - at) return fail(TRUNCATED, start - origin, depth);
  return at + <usize>length;
}
