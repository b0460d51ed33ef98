/** Bytes in the core's memory that are searched in. */
import { Core } from "./core.ts";

/** Bytes that are counted to learn which are rare. */
const SAMPLE = 256;
/** What is rare is looked again after so many searches. */
const SAMPLED_EVERY = 16;

type Pair = [left: number, right: number];
/** Room for a needle before it has to grow. */
const FIRST_NEEDLE = 4096;

export class Haystack {
  readonly #core: Core;
  #pointer = 0;
  #capacity = 0;
  #needle: number;
  #needleCapacity = FIRST_NEEDLE;
  /** What was rare of a needle when it was looked last, and how often that still holds. */
  readonly #rarest = new Map<Uint8Array, { pair: Pair; uses: number }>();

  /** `core`: whose memory it is in; by default one of its own. */
  constructor(core = Core.load()) {
    this.#core = core;
    this.#needle = core.allocate(FIRST_NEEDLE);
  }

  /** Room for `length` bytes; what was in it is lost where it grows. Good until the next call with a larger one. */
  bytes(length: number): Uint8Array {
    if (length > this.#capacity) {
      this.#capacity = length;
      this.#pointer = this.#core.allocate(length);
    }
    return this.#core.view(this.#pointer, length);
  }

  /** Offsets of all places at or after `from` in the first `length` bytes where the needle stands, not overlapping. */
  *find(needle: Uint8Array, from: number, length: number): Generator<number> {
    for (let at = from; ; at += needle.length) {
      at = this.next(needle, at, length, false);
      if (at < 0) return;
      yield at;
    }
  }

  /**
   * Offset of the first place at or after `from` in the first `length` bytes where the needle stands; -1: nowhere.
   * With `anyCase`, what stands there may be alike only.
   */
  next(needle: Uint8Array, from: number, length: number, anyCase: boolean): number {
    if (needle.length > this.#needleCapacity) {
      this.#needleCapacity = needle.length;
      this.#needle = this.#core.allocate(needle.length);
    }
    const [left, right] = this.#rarestOf(needle, length);
    const pointer = this.#needle;
    this.#core.view(pointer, needle.length).set(needle);
    const { findBytes } = this.#core.exports;
    return findBytes(this.#pointer, length, from, pointer, needle.length, left, right, anyCase);
  }

  #rarestOf(needle: Uint8Array, length: number): Pair {
    let known = this.#rarest.get(needle);
    if (known === undefined || --known.uses === 0) {
      known = { pair: rarestOf(needle, this.bytes(length)), uses: SAMPLED_EVERY };
      this.#rarest.set(needle, known);
    }
    return known.pair;
  }
}

/** Offsets of the two bytes of the needle that `bytes`, as far as a sample tells, have least of. */
function rarestOf(needle: Uint8Array, bytes: Uint8Array): Pair {
  const counts = new Uint32Array(256);
  // Odd, as programs keep alike bytes at like places of pages and words.
  const step = Math.floor(bytes.length / SAMPLE) | 1;
  for (let at = 0; at < bytes.length; at += step) counts[bytes[at]]++;
  const order = [...needle.keys()].sort((a, b) => counts[needle[a]] - counts[needle[b]]);
  return [order[0], order[1] ?? order[0]];
}
