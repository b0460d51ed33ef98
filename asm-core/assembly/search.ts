/**
 * Where bytes stand in others. Two bytes of the needle are looked for at once, at 64 places in a step; all of it is
 * compared only where both stand. Which two is up to the host, which knows what is rare.
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

/** Bit i: whether both bytes, with the bits of the masks set, stand where they have to for a needle at `at` + i. */
// @ts-ignore: decorator
@inline
function pairAt(at: usize, left: usize, right: usize, a: v128, b: v128, maskA: v128, maskB: v128): v128 {
  const isLeft = i8x16.eq(v128.or(v128.load(at + left), maskA), a);
  return v128.and(isLeft, i8x16.eq(v128.or(v128.load(at + right), maskB), b));
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
 * `haystack`; -1: nowhere. `left` and `right`: offsets in the needle of the two bytes that are looked for. With
 * `anyCase`, letters of either case stand for each other, and a few other characters too.
 */
export function findBytes(
  haystack: usize, length: usize, from: usize, needle: usize, size: usize, left: usize, right: usize, anyCase: bool,
): i32 {
  if (length < size) return -1;
  const leftByte = load<u8>(needle + left);
  const rightByte = load<u8>(needle + right);
  const leftMask = anyCase ? caseOf(leftByte) : 0;
  const rightMask = anyCase ? caseOf(rightByte) : 0;
  const maskA = i8x16.splat(leftMask);
  const maskB = i8x16.splat(rightMask);
  const a = i8x16.splat(leftByte | leftMask);
  const b = i8x16.splat(rightByte | rightMask);
  const last = haystack + length - size;
  for (let at = haystack + from; at <= last; at += 64) {
    const m0 = pairAt(at, left, right, a, b, maskA, maskB);
    const m1 = pairAt(at + 16, left, right, a, b, maskA, maskB);
    const m2 = pairAt(at + 32, left, right, a, b, maskA, maskB);
    const m3 = pairAt(at + 48, left, right, a, b, maskA, maskB);
    if (!v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)))) continue;
    let places =
      <u64>i8x16.bitmask(m0) | (<u64>i8x16.bitmask(m1) << 16) |
      (<u64>i8x16.bitmask(m2) << 32) | (<u64>i8x16.bitmask(m3) << 48);
    for (; places; places &= places - 1) {
      const place = at + <usize>ctz(places);
      if (place > last) return -1;
      const isThere = anyCase ? isAlike(place, needle, size) : memory.compare(place, needle, size) == 0;
      if (isThere) return <i32>(place - haystack);
    }
  }
  return -1;
}
