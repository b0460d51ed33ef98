/** The core's sums over bytes: XXH64 against accidents, SHA-256 as the digest of what all the rest hangs on. */
import { Core } from "./core.ts";

/** How the core makes a sum: what it has so far is in 32 bytes at `state`. */
interface Algorithm<T> {
  /** Bytes that are added at once, or a multiple of them. */
  block: number;
  begin(state: number): void;
  add(state: number, data: number, length: number): void;
  /** `total` bytes, of which the last, less than a block, are at `data`. */
  end(state: number, data: number, total: bigint): T;
}

const STATE = 32;

function xxh64({ exports }: Core): Algorithm<bigint> {
  return {
    block: 32,
    begin: (state) => exports.xxh64Begin(state, 0n),
    add: exports.xxh64Add,
    end: (state, data, total) => BigInt.asUintN(64, exports.xxh64End(state, data, total)),
  };
}

function sha2(core: Core): Algorithm<Uint8Array> {
  const { sha256Begin, sha256Add, sha256End } = core.exports;
  return {
    block: 64,
    begin: sha256Begin,
    add: sha256Add,
    end(state, data, total) {
      sha256End(state, data, total);
      return core.view(state, STATE).slice();
    },
  };
}

/** A sum of bytes that come piece by piece. */
class RunningSum<T> {
  static readonly #GATHERED = 64 << 10;
  readonly #core: Core;
  readonly #algorithm: Algorithm<T>;
  readonly #state: number;
  readonly #buffer: number;
  #used = 0;
  #total = 0n;

  constructor(core: Core, algorithm: (core: Core) => Algorithm<T>) {
    this.#core = core;
    this.#algorithm = algorithm(core);
    this.#state = core.allocate(STATE);
    this.#buffer = core.allocate(RunningSum.#GATHERED);
    this.#begin();
  }

  #begin(): void {
    this.#algorithm.begin(this.#state);
    this.#used = 0;
    this.#total = 0n;
  }

  add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + RunningSum.#GATHERED - this.#used);
      this.#core.view(this.#buffer + this.#used, part.length).set(part);
      this.#used += part.length;
      done += part.length;
      if (this.#used < RunningSum.#GATHERED) continue;
      this.#algorithm.add(this.#state, this.#buffer, this.#used);
      this.#used = 0;
    }
    this.#total += BigInt(bytes.length);
  }

  /** The sum of all that was added since it was asked for last. */
  end(): T {
    const whole = this.#used - (this.#used % this.#algorithm.block);
    this.#algorithm.add(this.#state, this.#buffer, whole);
    const sum = this.#algorithm.end(this.#state, this.#buffer + whole, this.#total);
    this.#begin();
    return sum;
  }
}

/** XXH64 of bytes that come piece by piece. */
export class RunningChecksum extends RunningSum<bigint> {
  constructor() {
    super(Core.load(), xxh64);
  }
}

/** Made when the first sum is asked for. Its core is its own: what is summed may lie in the memory of another. */
let sums: { checksum: RunningSum<bigint>; digest: RunningSum<Uint8Array> } | undefined;

function ready() {
  if (sums === undefined) {
    const core = Core.load();
    sums = { checksum: new RunningSum(core, xxh64), digest: new RunningSum(core, sha2) };
  }
  return sums;
}

/** XXH64 of `bytes`. */
export function checksum(bytes: Uint8Array): bigint {
  return checksumOf([bytes]);
}

/** XXH64 of bytes that are in parts, each of which is done with when the next is asked for. */
export function checksumOf(parts: Iterable<Uint8Array>): bigint {
  const sum = ready().checksum;
  try {
    for (const part of parts) sum.add(part);
  } catch (error) {
    sum.end();
    throw error;
  }
  return sum.end();
}

/** SHA-256 of `bytes`: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const sum = ready().digest;
  sum.add(bytes);
  return sum.end();
}
