/**
 * Where bytes stand in others. Two bytes of the needle are looked for at once, at 64 places in a step; all of it is
 * compared only where both stand. Which two is up to the host, which knows what is rare.
 */

/** Bytes after a haystack that may be read; what is in them does not matter. */
export const HAYSTACK_SLACK: usize = 64;

/** Bit i: whether both bytes stand where they have to for the needle to begin at `at` + i. */
// @ts-ignore: decorator
@inline
function pairAt(at: usize, left: usize, right: usize, a: v128, b: v128): v128 {
  return v128.and(i8x16.eq(v128.load(at + left), a), i8x16.eq(v128.load(at + right), b));
}

/**
 * Offset of the first place at or after `from` where the `size` bytes at `needle` stand in the `length` bytes at
 * `haystack`; -1: nowhere. `left` and `right`: offsets in the needle of the two bytes that are looked for.
 */
export function findBytes(
  haystack: usize, length: usize, from: usize, needle: usize, size: usize, left: usize, right: usize,
): i32 {
  if (length < size) return -1;
  const a = i8x16.splat(load<i8>(needle + left));
  const b = i8x16.splat(load<i8>(needle + right));
  const last = haystack + length - size;
  for (let at = haystack + from; at <= last; at += 64) {
    const m0 = pairAt(at, left, right, a, b);
    const m1 = pairAt(at + 16, left, right, a, b);
    const m2 = pairAt(at + 32, left, right, a, b);
    const m3 = pairAt(at + 48, left, right, a, b);
    if (!v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)))) continue;
    let places =
      <u64>i8x16.bitmask(m0) | (<u64>i8x16.bitmask(m1) << 16) |
      (<u64>i8x16.bitmask(m2) << 32) | (<u64>i8x16.bitmask(m3) << 48);
    for (; places; places &= places - 1) {
      const place = at + <usize>ctz(places);
      if (place > last) return -1;
      if (memory.compare(place, needle, size) == 0) return <i32>(place - haystack);
    }
  }
  return -1;
}
