// XXH64 (xxhash.com, specification of XXH64): the checksum of every block and region of the native format.

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
const P5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * P2, 31) * P1;
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * P1 + P4;
}

const SINGLE = memory.data(32);

/** Begins a sum that is made piece by piece; it is kept in 32 bytes at `lanes`. */
export function xxh64Begin(lanes: usize, seed: u64): void {
  store<u64>(lanes, seed + P1 + P2);
  store<u64>(lanes, seed + P2, 8);
  store<u64>(lanes, seed, 16);
  store<u64>(lanes, seed - P1, 24);
}

/** Adds `length` bytes, a multiple of 32. */
export function xxh64Add(lanes: usize, data: usize, length: u32): void {
  let a = load<u64>(lanes);
  let b = load<u64>(lanes, 8);
  let c = load<u64>(lanes, 16);
  let d = load<u64>(lanes, 24);
  for (const end = data + length; data < end; data += 32) {
    a = round(a, load<u64>(data));
    b = round(b, load<u64>(data, 8));
    c = round(c, load<u64>(data, 16));
    d = round(d, load<u64>(data, 24));
  }
  store<u64>(lanes, a);
  store<u64>(lanes, b, 8);
  store<u64>(lanes, c, 16);
  store<u64>(lanes, d, 24);
}

/** The sum of `total` bytes, of which the last `total % 32` are at `data` and the others were added. */
export function xxh64End(lanes: usize, data: usize, total: u64): u64 {
  const a = load<u64>(lanes);
  const b = load<u64>(lanes, 8);
  const c = load<u64>(lanes, 16);
  const d = load<u64>(lanes, 24);
  let hash: u64;
  if (total >= 32) {
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = c + P5; // c is the seed still
  }
  hash += total;
  const end = data + <usize>(total & 31);
  for (; data + 8 <= end; data += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(data)), 27) * P1 + P4;
  if (data + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(data) * P1), 23) * P2 + P3;
    data += 4;
  }
  for (; data < end; data++) hash = rotl<u64>(hash ^ (<u64>load<u8>(data) * P5), 11) * P1;
  hash = (hash ^ (hash >> 33)) * P2;
  hash = (hash ^ (hash >> 29)) * P3;
  return hash ^ (hash >> 32);
}

/** XXH64 of `length` bytes at `data`. */
export function xxh64(data: usize, length: u32, seed: u64): u64 {
  const stripes = length & ~31;
  xxh64Begin(SINGLE, seed);
  xxh64Add(SINGLE, data, stripes);
  return xxh64End(SINGLE, data + stripes, length);
}
