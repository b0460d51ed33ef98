// Pages: copied, cleared; is one all zero, and what is its hash.

export const PAGE_SIZE: u32 = 4096;
/** Pages in a region, at most. */
export const MAX_REGION_PAGES: u32 = 64;

/** Whether all 4096 bytes are zero; stops at the first 64 that are not. */
export function isZeroPage(page: usize): bool {
  const end = page + PAGE_SIZE;
  do {
    const low = v128.or(v128.load(page), v128.load(page, 16));
    const high = v128.or(v128.load(page, 32), v128.load(page, 48));
    if (v128.any_true(v128.or(low, high))) return false;
    page += 64;
  } while (page < end);
  return true;
}

/** Copies `count` pages. */
export function copyPages(to: usize, from: usize, count: u32): void {
  memory.copy(to, from, <usize>count * PAGE_SIZE);
}

/** Makes `count` pages zero. */
export function clearPages(pages: usize, count: u32): void {
  memory.fill(pages, 0, <usize>count * PAGE_SIZE);
}

/**
 * Secret bytes that `hashPage` needs: a page of them, and a step of 32 for each further pass. To be filled
 * with random bytes before the first page is hashed, and never to be told to whoever makes the pages.
 */
export const HASH_KEY_SIZE: u32 = PAGE_SIZE + 2 * 32;
const key = memory.data(4096 + 64, 16);

/** Where the HASH_KEY_SIZE bytes of the key go. */
export function hashKey(): usize {
  return key;
}

/** The hash of a page as `hashPage` left it: 192 bits. */
export let hash0: u64 = 0;
export let hash1: u64 = 0;
export let hash2: u64 = 0;

// @ts-ignore: decorator
@inline
function pass(sum: v128, a: v128, b: v128, secret: usize): v128 {
  const x = i32x4.add(a, v128.load(secret));
  const y = i32x4.add(b, v128.load(secret, 16));
  return i64x2.add(sum, i64x2.add(i64x2.extmul_low_i32x4_u(x, y), i64x2.extmul_high_i32x4_u(x, y)));
}

// @ts-ignore: decorator
@inline
function bothLanes(sum: v128): u64 {
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

/**
 * NH (the universal hash of UMAC, RFC 4418) over pairs of 32-bit words 16 bytes apart, three Toeplitz passes
 * with the key moved on by 32 bytes each. For two different pages, chosen in whatever way by someone who does
 * not know the key, the chance of equal hashes is at most 2^-96.
 */
export function hashPage(page: usize): void {
  let s0 = i64x2.splat(0);
  let s1 = i64x2.splat(0);
  let s2 = i64x2.splat(0);
  const end = page + PAGE_SIZE;
  let secret = key;
  do {
    const a = v128.load(page);
    const b = v128.load(page, 16);
    s0 = pass(s0, a, b, secret);
    s1 = pass(s1, a, b, secret + 32);
    s2 = pass(s2, a, b, secret + 64);
    page += 32;
    secret += 32;
  } while (page < end);
  hash0 = bothLanes(s0);
  hash1 = bothLanes(s1);
  hash2 = bothLanes(s2);
}

/** Puts the hash of the page that was hashed last at `into`: 24 bytes. */
// @ts-ignore: decorator
@inline
export function storeHash(into: usize): void {
  store<u64>(into, hash0);
  store<u64>(into, hash1, 8);
  store<u64>(into, hash2, 16);
}

/** The hashes of `count` pages, one after the other, for the host. */
export function pageHashes(pages: usize, count: u32, into: usize): void {
  for (; count > 0; count--, pages += PAGE_SIZE, into += 24) {
    hashPage(pages);
    storeHash(into);
  }
}
