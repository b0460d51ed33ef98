/**
 * Regions that wait to be compressed and written, in memory that threads share: one thread puts them into slots,
 * any thread takes them from there, compresses them, and writes them to where it finds the end of the pack. Which
 * region comes where in the file is therefore left to chance; the table of regions says it.
 */
import { writeSync } from "node:fs";
import { CriuWasmError } from "../errors.ts";
import { fileCall } from "../images/files.ts";
import { Core } from "../wasm/core.ts";
import { type Method, RegionSealer, type StoredRegion } from "../wasm/pages.ts";
import type { PlacedRegion } from "./pack-format.ts";

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
  /** Where the file ends, then for each slot the offset and the checksum of its region. */
  longs: SharedArrayBuffer;
  /** The pages. */
  pages: SharedArrayBuffer;
  regionBytes: number;
  method: Method;
  /** Compiled once, and made fast where it was used: another thread need not begin anew. */
  core: WebAssembly.Module;
  /** The pack, open for writing. */
  fd: number;
  path: string;
}

export function shareSlots(
  count: number,
  regionBytes: number,
  method: Method,
  file: { fd: number; path: string; length: number },
): SharedSlots {
  const longs = new SharedArrayBuffer(8 * (1 + 2 * count));
  new BigInt64Array(longs)[0] = BigInt(file.length);
  return {
    words: new SharedArrayBuffer(4 * SLOT_WORDS * (1 + count)),
    longs,
    pages: new SharedArrayBuffer(count * regionBytes),
    regionBytes,
    method,
    core: Core.compiled(),
    fd: file.fd,
    path: file.path,
  };
}

export class SealSlots {
  readonly #shared: SharedSlots;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #pages: Uint8Array;
  readonly #count: number;
  #sealer: RegionSealer | undefined;

  constructor(shared: SharedSlots) {
    this.#shared = shared;
    this.#words = new Int32Array(shared.words);
    this.#longs = new BigInt64Array(shared.longs);
    this.#pages = new Uint8Array(shared.pages);
    this.#count = shared.pages.byteLength / shared.regionBytes;
  }

  /** Takes `length` bytes at the end of the file; answers their offset. */
  takeEnd(length: number): number {
    return Number(Atomics.add(this.#longs, 0, BigInt(length)));
  }

  get end(): number {
    return Number(Atomics.load(this.#longs, 0));
  }

  /** Puts a region into a free slot; false when there is none. */
  offer(pages: Uint8Array, region: number): boolean {
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      if (Atomics.load(this.#words, at) !== FREE) continue;
      this.#pages.set(pages, slot * this.#shared.regionBytes);
      this.#words[at + 1] = region;
      this.#words[at + 2] = pages.length;
      Atomics.store(this.#words, at, FILLED);
      Atomics.add(this.#words, FILLINGS, 1);
      Atomics.notify(this.#words, FILLINGS);
      return true;
    }
    return false;
  }

  /** Hands out the regions that are done, and frees their slots. */
  collect(region: (index: number, placed: PlacedRegion) => void): void {
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      const state = Atomics.load(this.#words, at);
      if (state === FAILED && this.#claim(at, FAILED)) this.#seal(slot);
      else if (state !== DONE) continue;
      region(this.#words[at + 1], {
        offset: Number(this.#longs[1 + 2 * slot]),
        stored: this.#words[at + 3],
        encoding: this.#words[at + 4],
        checksum: BigInt.asUintN(64, this.#longs[2 + 2 * slot]),
      });
      Atomics.store(this.#words, at, FREE);
    }
  }

  /** Works with the other threads until no slot is filled. */
  drain(region: (index: number, placed: PlacedRegion) => void): void {
    while (this.workOnce());
    for (let slot = 0; slot < this.#count; slot++) {
      const at = FIRST_SLOT + slot * SLOT_WORDS;
      if (Atomics.wait(this.#words, at, TAKEN, PATIENCE) === "timed-out")
        throw new CriuWasmError("a thread that compresses does not answer", { file: this.#shared.path });
    }
    this.collect(region);
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

  /** Compresses and writes the region of one slot, if one is filled. */
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
    this.#sealer.input.set(this.#pages.subarray(start, start + length));
    const region: StoredRegion = this.#sealer.sealInput(length);
    const offset = this.takeEnd(region.stored);
    this.write(this.#sealer.output, offset);
    this.#words[at + 3] = region.stored;
    this.#words[at + 4] = region.encoding;
    this.#longs[1 + 2 * slot] = BigInt(offset);
    this.#longs[2 + 2 * slot] = BigInt.asIntN(64, region.checksum);
  }

  /** Writes to the pack at `offset`. */
  write(bytes: Uint8Array, offset: number): void {
    const { fd, path } = this.#shared;
    for (let done = 0; done < bytes.length; )
      done += fileCall("write", path, () => writeSync(fd, bytes, done, bytes.length - done, offset + done));
  }
}
