/** Little-endian records of the native format: writing, and reading that never leaves the buffer. */
import { ImageError } from "../errors.ts";

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** Two digits a byte. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A growing buffer. */
export class BinaryWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Where the next `count` bytes go; may replace buffer and view. */
  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Zeros up to a multiple of `alignment`. */
  padTo(alignment: number): this {
    return this.bytes(new Uint8Array((alignment - (this.#length % alignment)) % alignment));
  }

  /** What was written; a view, to be used before more is written. */
  result(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads from `bytes`, which begin at offset `base` of `file`; too short: an ImageError with the offset. */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #file: string;
  readonly #base: number;
  #at = 0;

  constructor(bytes: Uint8Array, file: string, base: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
    this.#base = base;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Throws an ImageError about byte `at`, by default the one that is next. */
  fail(message: string, at = this.#at): never {
    throw new ImageError(message, { file: this.#file, offset: this.#base + at });
  }

  #take(count: number): number {
    if (count > this.left) this.fail(`${count} bytes expected, only ${this.left} are left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A 64-bit number that counts or addresses something: at most `limit`. */
  size(limit: number): number {
    const value = this.u64();
    if (value > BigInt(limit)) this.fail(`${value} is over the limit of ${limit}`);
    return Number(value);
  }

  /** A view, no copy. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Skips the zeros that `padTo` wrote. */
  skipTo(alignment: number): void {
    const padding = this.bytes((alignment - (this.#at % alignment)) % alignment);
    if (padding.some((byte) => byte !== 0)) this.fail("padding is not zero");
  }
}
