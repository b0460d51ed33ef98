/** What the image code needs of the system it runs on: here Node. portable.ts has the same names. */
import { randomFillSync } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asset } from "../assets.ts";
import { ImageError } from "../errors.ts";
import { fileCall, readFully } from "../images/files.ts";
import type { RandomFile } from "../images/source.ts";

/** The WebAssembly core. */
export function coreBytes(): Uint8Array {
  return readFileSync(asset("core.wasm"));
}

export { Zstd } from "../wasm/zstd.ts";

const RANDOM = "/dev/urandom";

/** Bytes that nobody can guess: from the system, where it has a file of them, as node:crypto takes long to load. */
export function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (!existsSync(RANDOM)) return randomFillSync(bytes);
  const fd = openSync(RANDOM, "r");
  try {
    readFully(fd, RANDOM, bytes, 0);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** Bytes that are put aside while a stream is read: on disk, in a file that has no name. */
export class Spool {
  readonly #fd: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "criu-wasm-"));
  #length = 0;
  #open = true;

  constructor() {
    const path = join(this.#folder, "spool");
    this.#fd = openSync(path, "wx+", 0o600);
    this.#forget();
  }

  /** Removes the name at once, so that nothing is left behind whatever ends us; Windows lets us only in the end. */
  #forget(): void {
    try {
      rmSync(this.#folder, { recursive: true, force: true });
    } catch {}
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += fileCall("write", this.#folder, () =>
        writeSync(this.#fd, bytes, done, bytes.length - done, this.#length + done),
      );
    }
    this.#length += bytes.length;
  }

  /** Nothing more is appended. */
  finish(): void {}

  /** A part of it as a file; the file is open until the spool is closed. */
  open(path: string, offset: number, length: number): RandomFile {
    const fd = this.#fd;
    const read = (into: Uint8Array, from: number): void => {
      if (from + into.length > length)
        throw new ImageError("the file ends too early", { file: path, offset: length });
      readFully(fd, path, into, offset + from);
    };
    return { path, length, read, close() {} };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
    this.#forget();
  }
}

/** Each character, of which none is above 255, as the byte of that number. */
export function bytesOfLatin1(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, "latin1");
  return new Uint8Array(buffer, byteOffset, length);
}

/** Each byte as the character of that number. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
