/** Changes to inputs that decoders are likely to be wrong about. */
import type { Random } from "../support/random.ts";

const WORDS = [0, 1, 4, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const place = (bytes: Uint8Array, random: Random) => random.below(bytes.length + 1);

function splice(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + added.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(bytes.subarray(at + removed), at + added.length);
  return result;
}

const MUTATIONS: Mutation[] = [
  function flipBit(bytes, random) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    return bytes;
  },
  function setByte(bytes, random) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  function setWord(bytes, random) {
    if (bytes.length < 4) return bytes;
    const at = random.below(bytes.length - 3);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, WORDS[random.below(WORDS.length)], true);
    return bytes;
  },
  function addToWord(bytes, random) {
    if (bytes.length < 4) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = random.below(bytes.length - 3);
    view.setUint32(at, view.getUint32(at, true) + random.below(9) - 4, true);
    return bytes;
  },
  function longVarint(bytes, random) {
    const count = 1 + random.below(12);
    return splice(bytes, place(bytes, random), 0, new Uint8Array(count).fill(0xff - random.below(2) * 0x7f));
  },
  function remove(bytes, random) {
    const at = place(bytes, random);
    return splice(bytes, at, random.below(Math.min(64, bytes.length - at) + 1), new Uint8Array(0));
  },
  function repeat(bytes, random) {
    const at = place(bytes, random);
    const part = bytes.slice(at, at + random.below(64));
    return splice(bytes, at, 0, part);
  },
  function cut(bytes, random) {
    return bytes.slice(0, place(bytes, random));
  },
  function cross(bytes, random, other) {
    const from = place(other, random);
    return splice(bytes, place(bytes, random), 0, other.subarray(from, from + random.below(200)));
  },
];

/** One to four changes. */
export function mutate(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(input);
  for (let change = 1 + random.below(4); change > 0; change--)
    bytes = MUTATIONS[random.below(MUTATIONS.length)](bytes, random, other);
  return bytes;
}
