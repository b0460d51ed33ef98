/** Bytes in the core's memory that are searched in. */
import { Core } from "./core.ts";

/** Bytes that are counted to learn which are rare. */
const SAMPLE = 1024;
/** What is rare in one haystack is taken to be so in as many. */
const SAMPLED_EVERY = 16;
/** Room for a needle before it has to grow. */
const FIRST_NEEDLE = 4096;

export class Haystack {
  readonly #core = Core.load();
  #pointer = 0;
  #capacity = 0;
  #needle = this.#core.allocate(FIRST_NEEDLE);
  #needleCapacity = FIRST_NEEDLE;
  /** What was rare when it was looked last, and how many haystacks ago that is. */
  #rarest: [left: number, right: number] = [0, 0];
  #age = 0;
  #sought: Uint8Array | undefined;

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
    if (needle.length > this.#needleCapacity) {
      this.#needleCapacity = needle.length;
      this.#needle = this.#core.allocate(needle.length);
    }
    if (needle !== this.#sought || this.#age++ % SAMPLED_EVERY === 0) {
      this.#rarest = rarestOf(needle, this.bytes(length));
      this.#sought = needle;
    }
    const [left, right] = this.#rarest;
    for (let at = from; ; ) {
      this.#core.view(this.#needle, needle.length).set(needle);
      at = this.#core.exports.findBytes(this.#pointer, length, at, this.#needle, needle.length, left, right);
      if (at < 0) return;
      yield at;
      at += needle.length;
    }
  }
}

/** Offsets of the two bytes of the needle that `bytes`, as far as a sample tells, have least of. */
function rarestOf(needle: Uint8Array, bytes: Uint8Array): [left: number, right: number] {
  const counts = new Uint32Array(256);
  const step = Math.max(1, Math.floor(bytes.length / SAMPLE));
  for (let at = 0; at < bytes.length; at += step) counts[bytes[at]]++;
  const order = [...needle.keys()].sort((a, b) => counts[needle[a]] - counts[needle[b]]);
  return [order[0], order[1] ?? order[0]];
}
