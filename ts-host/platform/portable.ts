/** What the image code needs of the system it runs on: here any with JavaScript and WebAssembly, as browsers. */
import core from "../../dist/core.wasm";
import type { RandomFile } from "../images/source.ts";
import { BlobFile } from "./blob-file.ts";

export { PortableZstd as Zstd } from "../wasm/portable-zstd.ts";

/** The WebAssembly core. */
export function coreBytes(): Uint8Array {
  return core;
}

export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** How much is gathered in memory before it becomes a Blob, which browsers put on disk. */
const GATHERED = 8 << 20;

/** Bytes that are put aside while a stream is read. */
export class Spool {
  #blob = new Blob([]);
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length - this.#blob.size >= GATHERED) this.finish();
  }

  /** Nothing more is appended. */
  finish(): void {
    this.#blob = new Blob([this.#blob, ...this.#chunks]);
    this.#chunks = [];
  }

  /** A part of it as a file. */
  open(path: string, offset: number, length: number): RandomFile {
    return new BlobFile(path, this.#blob.slice(offset, offset + length));
  }

  close(): void {
    this.#blob = new Blob([]);
  }
}

/** Each character, of which none is above 255, as the byte of that number. */
export function bytesOfLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Characters that are made of bytes in one call: arguments are limited in number. */
const CHARACTERS = 32 << 10;

/** Each byte as the character of that number. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHARACTERS) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHARACTERS));
  }
  return text;
}
