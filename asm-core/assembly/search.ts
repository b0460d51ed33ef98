/**
 * Where bytes stand in others. One byte of the needle is looked for at 64 places in a step, then a second one; all of
 * it is compared only where both stand. Which two is up to the host, which knows what is rare.
 */

/** Bytes after a haystack that may be read; what is in them does not matter. */
export const HAYSTACK_SLACK: usize = 64;

/** The bit that is the difference between a letter and its other case: in ASCII, and in ISO 8859-1 beyond it. */
const CASE: u8 = 0x20;

// @ts-ignore: decorator
@inline
function caseOf(byte: u8): u8 {
  const lower = byte | CASE;
  return (lower >= 0x61 && lower <= 0x7a) || byte >= 0xc0 ? CASE : 0;
}

/** Which of the 16 bytes at `at`, with the bits of the mask set, are `byte`. */
// @ts-ignore: decorator
@inline
function equals(at: usize, byte: v128, mask: v128, anyCase: bool): v128 {
  const bytes = v128.load(at);
  return i8x16.eq(anyCase ? v128.or(bytes, mask) : bytes, byte);
}

// @ts-ignore: decorator
@inline
function any(m0: v128, m1: v128, m2: v128, m3: v128): bool {
  return v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)));
}

/** Whether the bytes are equal but for the case of letters. */
function isAlike(place: usize, needle: usize, size: usize): bool {
  for (let at: usize = 0; at < size; at++) {
    const byte = load<u8>(needle + at);
    const mask = caseOf(byte);
    if ((load<u8>(place + at) | mask) != (byte | mask)) return false;
  }
  return true;
}

/**
 * Offset of the first place at or after `from` where the `size` bytes at `needle` stand in the `length` bytes at
 * `haystack`; -1: nowhere. `left` and `right`: offsets in the needle of the two bytes that are looked for, the rarer
 * one first. With `anyCase`, letters of either case stand for each other, and a few other characters too.
 */
export function findBytes(
  haystack: usize, length: usize, from: usize, needle: usize, size: usize, left: usize, right: usize, anyCase: bool,
): i32 {
  if (length < size) return -1;
  const last = haystack + length - size;
  const place = anyCase
    ? nextPlace(haystack + from, last, needle, size, left, right, true)
    : nextPlace(haystack + from, last, needle, size, left, right, false);
  return place ? <i32>(place - haystack) : -1;
}

/** The first place from `at` to `last` where the needle stands; 0: there is none. */
// @ts-ignore: decorator
@inline
function nextPlace(
  at: usize, last: usize, needle: usize, size: usize, left: usize, right: usize, anyCase: bool,
): usize {
  const leftByte = load<u8>(needle + left);
  const rightByte = load<u8>(needle + right);
  const maskA = i8x16.splat(caseOf(leftByte));
  const maskB = i8x16.splat(caseOf(rightByte));
  const a = i8x16.splat(anyCase ? leftByte | caseOf(leftByte) : leftByte);
  const b = i8x16.splat(anyCase ? rightByte | caseOf(rightByte) : rightByte);
  for (; at <= last; at += 64) {
    let m0 = equals(at + left, a, maskA, anyCase);
    let m1 = equals(at + left + 16, a, maskA, anyCase);
    let m2 = equals(at + left + 32, a, maskA, anyCase);
    let m3 = equals(at + left + 48, a, maskA, anyCase);
    if (!any(m0, m1, m2, m3)) continue;
    m0 = v128.and(m0, equals(at + right, b, maskB, anyCase));
    m1 = v128.and(m1, equals(at + right + 16, b, maskB, anyCase));
    m2 = v128.and(m2, equals(at + right + 32, b, maskB, anyCase));
    m3 = v128.and(m3, equals(at + right + 48, b, maskB, anyCase));
    if (!any(m0, m1, m2, m3)) continue;
    let places =
      <u64>i8x16.bitmask(m0) | (<u64>i8x16.bitmask(m1) << 16) |
      (<u64>i8x16.bitmask(m2) << 32) | (<u64>i8x16.bitmask(m3) << 48);
    for (; places; places &= places - 1) {
      const place = at + <usize>ctz(places);
      if (place > last) return 0;
      const isThere = anyCase ? isAlike(place, needle, size) : memory.compare(place, needle, size) == 0;
      if (isThere) return place;
    }
  }
  return 0;
}
