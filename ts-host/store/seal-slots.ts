/**
 * Regions that wait to be compressed, in memory that threads share: one thread puts them into slots, any thread takes
 * them from there and leaves them compressed in their slots, and the first one takes them out again and writes them:
 * the kernel lets one thread at a time write to a file, and to wait for that costs more than to write.
 */
import { CriuWasmError } from "../errors.ts";
import { Core } from "../wasm/core.ts";
import { type Method, RegionSealer, type StoredRegion } from "../wasm/pages.ts";

const FREE = 0;
const FILLED = 1;
const TAKEN = 2;
const DONE = 3;
const FAILED = 4;

/** Numbers of a slot: state, then number of the region, bytes of pages, bytes stored, encoding. */
const SLOT_WORDS = 8;
/** The first numbers of all: how often something was put into a slot, and whether nothing more will be. */
const FILLINGS = 0;
const CLOSED = 1;
const FIRST_SLOT = SLOT_WORDS;
/** Longest that another thread may take for one region, in ms. */
const PATIENCE = 60_000;

/** What the threads of one pack share. */
export interface SharedSlots {
  /** SLOT_WORDS numbers, then as many for each slot. */
  words: SharedArrayBuffer;
  /** For each slot the checksum of its region. */
  checksums: SharedArrayBuffer;
  /** For each slot the pages of a region, and then what they are stored as. */
  contents: SharedArrayBuffer;
  regionBytes: number;
  method: Method;
  /** Compiled once, and made fast where it was used: another thread need not begin anew. */
  core: WebAssembly.Module;
}

export function shareSlots(count: number, regionBytes: number, method: Method): SharedSlots {
  return {
    words: new SharedArrayBuffer(4 * SLOT_WORDS * (1 + count)),
    checksums: new SharedArrayBuffer(8 * count),
    contents: new SharedArrayBuffer(count * regionBytes),
    regionBytes,
    method,
    core: Core.compiled(),
  };
}

/** A region, and its number. */
export interface NumberedRegion extends StoredRegion {
  region: number;
}

/** A region that was compressed, and what it is stored as. */
export interface SealedRegion extends NumberedRegion {
  bytes: Uint8Array;
}

/** Takes regions, in any order; their bytes hold until the call is over. */
export type TakeRegions = (sealed: SealedRegion[]) => void;

export class SealSlots {
  readonly #shared: SharedSlots;
  readonly #words: Int32Array;
  readonly #checksums: BigUint64Array;
  readonly #contents: Uint8Array;
  readonly #count: number;
  #sealer: RegionSealer | undefined;

  constructor(shared: SharedSlots) {
    this.#shared = shared;
    this.#words = new Int32Array(shared.words);
    this.#checksums = new BigUint64Array(shared.checksums);
    this.#contents = new Uint8Array(shared.contents);
    this.#count = shared.contents.byteLength / shared.regionBytes;
  }

  /** Puts a region into a free slot; false when there is none. */
  offer(pages: Uint8Array, region: number): boolean {
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      if (Atomics.load(this.#words, at) !== FREE) continue;
      this.#contents.set(pages, slot * this.#shared.regionBytes);
      this.#words[at + 1] = region;
      this.#words[at + 2] = pages.length;
      Atomics.store(this.#words, at, FILLED);
      Atomics.add(this.#words, FILLINGS, 1);
      Atomics.notify(this.#words, FILLINGS);
      return true;
    }
    return false;
  }

  /** Hands out the regions that are done, all at once, and frees their slots. */
  collect(take: TakeRegions): void {
    const done: number[] = [];
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      const state = Atomics.load(this.#words, at);
      if (state === FAILED && this.#claim(at, FAILED)) this.#seal(slot);
      else if (state !== DONE) continue;
      done.push(slot);
    }
    if (done.length === 0) return;
    take(done.map((slot) => this.#sealed(slot)));
    for (const slot of done) Atomics.store(this.#words, FIRST_SLOT + slot * SLOT_WORDS, FREE);
  }

  #sealed(slot: number): SealedRegion {
    const at = FIRST_SLOT + slot * SLOT_WORDS;
    const stored = this.#words[at + 3];
    const start = slot * this.#shared.regionBytes;
    return {
      region: this.#words[at + 1],
      stored,
      encoding: this.#words[at + 4],
      checksum: this.#checksums[slot],
      bytes: this.#contents.subarray(start, start + stored),
    };
  }

  /** Works with the other threads until no slot is filled. */
  drain(take: TakeRegions): void {
    while (this.workOnce());
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      if (Atomics.wait(this.#words, at, TAKEN, PATIENCE) === "timed-out")
        throw new CriuWasmError("a thread that compresses does not answer");
    }
    this.collect(take);
  }

  /** What a thread of its own does: works until the slots are closed. */
  work(): void {
    while (Atomics.load(this.#words, CLOSED) === 0) {
      const seen = Atomics.load(this.#words, FILLINGS);
      if (!this.workOnce()) Atomics.wait(this.#words, FILLINGS, seen, PATIENCE);
    }
  }

  /** Nothing more comes: threads may end. */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    Atomics.add(this.#words, FILLINGS, 1);
    Atomics.notify(this.#words, FILLINGS);
  }

  /** Compresses the region of one slot, if one is filled. */
  workOnce(): boolean {
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      if (!this.#claim(at, FILLED)) continue;
      let result = FAILED;
      try {
        this.#seal(slot);
        result = DONE;
      } catch (error) {
        // Whoever collects tries again, and meets the same error where it can be told.
        if (!(error instanceof CriuWasmError)) throw error;
      } finally {
        Atomics.store(this.#words, at, result);
        Atomics.notify(this.#words, at);
      }
      return true;
    }
    return false;
  }

  #claim(at: number, state: number): boolean {
    return Atomics.compareExchange(this.#words, at, state, TAKEN) === state;
  }

  #seal(slot: number): void {
    const { regionBytes, method } = this.#shared;
    const at = FIRST_SLOT + slot * SLOT_WORDS;
    const length = this.#words[at + 2];
    this.#sealer ??= new RegionSealer(regionBytes, method);
    const start = slot * regionBytes;
    this.#sealer.input.set(this.#contents.subarray(start, start + length));
    const { stored, encoding, checksum } = this.#sealer.sealInput(length);
    this.#contents.set(this.#sealer.output, start);
    this.#words[at + 3] = stored;
    this.#words[at + 4] = encoding;
    this.#checksums[slot] = checksum;
  }
}
