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

/** XXH64 of `length` bytes at `data`. */
export function xxh64(data: usize, length: u32, seed: u64): u64 {
  const end = data + length;
  let hash: u64;
  if (length >= 32) {
    let a = seed + P1 + P2;
    let b = seed + P2;
    let c = seed;
    let d = seed - P1;
    const last = end - 32;
    do {
      a = round(a, load<u64>(data));
      b = round(b, load<u64>(data, 8));
      c = round(c, load<u64>(data, 16));
      d = round(d, load<u64>(data, 24));
      data += 32;
    } while (data <= last);
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + P5;
  }
  hash += length;
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
