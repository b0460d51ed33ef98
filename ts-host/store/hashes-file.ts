/** The file of a store with the hashes of the pages of a pack. Runs wherever the core does. */
import { BinaryReader, BinaryWriter, hex, sameBytes } from "../images/binary.ts";
import type { RandomFile } from "../images/source.ts";
import { HASH_SIZE } from "../wasm/pages.ts";
import { checksum, checksumOf } from "../wasm/sums.ts";
import { DIGEST_SIZE, PACK_ID_SIZE, type PackSummary } from "./pack-format.ts";

const MAGIC = new TextEncoder().encode("CRIUHASH");
const VERSION = 1;
/** magic, u16 version, u16 0, u32 pages, id of the pack, its digest; at the end a u64 XXH64 of everything before. */
const HEADER_SIZE = 8 + 8 + PACK_ID_SIZE + DIGEST_SIZE;
/** Most bytes of a file of hashes: 16 TiB of pages have as many. */
export const MAX_HASHES = 2 ** 32 * HASH_SIZE;

export interface PageHashes {
  pack: PackSummary;
  /** HASH_SIZE bytes a page. */
  hashes: Uint8Array;
}

export function encodeHashes({ id, digest, length }: PackSummary, hashes: Uint8Array): Uint8Array {
  const to = new BinaryWriter().bytes(MAGIC).u16(VERSION).u16(0).u32(length).bytes(id).bytes(digest);
  to.bytes(hashes);
  return to.u64(checksum(to.result())).result();
}

/** The pack, by the header of a file of `size` bytes; undefined where it is damaged, or of another pack. */
function decodeHeader(from: BinaryReader, size: number, id: string): PackSummary | undefined {
  if (!sameBytes(from.bytes(MAGIC.length), MAGIC) || from.u16() !== VERSION) return undefined;
  from.u16();
  const length = from.u32();
  const pack = { id: from.bytes(PACK_ID_SIZE).slice(), length, digest: from.bytes(DIGEST_SIZE).slice() };
  return size === HEADER_SIZE + length * HASH_SIZE + 8 && hex(pack.id) === id ? pack : undefined;
}

/** Undefined where the file is damaged, or of another pack than the one with that id, in digits. */
export function decodeHashes(content: Uint8Array, path: string, id: string): PageHashes | undefined {
  const from = new BinaryReader(content, path, 0);
  const pack = decodeHeader(from, content.length, id);
  if (pack === undefined) return undefined;
  const hashes = from.bytes(pack.length * HASH_SIZE);
  return from.u64() === checksum(content.subarray(0, content.length - 8)) ? { pack, hashes } : undefined;
}

/** 32-bit words of a hash. */
export const HASH_WORDS = HASH_SIZE / 4;
/** Hashes that are looked at once. */
const WINDOW = 2048;

/** The hashes of a few pages of a pack, whose file is not held in memory. */
export class HashesFile {
  readonly #file: RandomFile;
  readonly #length: number;
  readonly #window = new Uint8Array(WINDOW * HASH_SIZE);
  readonly #words = new Int32Array(this.#window.buffer);
  /** The first page of those in the window. */
  #first = Number.NaN;

  private constructor(file: RandomFile, length: number) {
    this.#file = file;
    this.#length = length;
  }

  /** As `decodeHashes`; an ImageError where the file ends too early. The file is closed where it is not kept. */
  static open(file: RandomFile, id: string): HashesFile | undefined {
    let kept: HashesFile | undefined;
    try {
      const header = new Uint8Array(HEADER_SIZE);
      file.read(header, 0);
      const pack = decodeHeader(new BinaryReader(header, file.path, 0), file.length, id);
      if (pack === undefined) return undefined;
      const found = new HashesFile(file, pack.length);
      if (found.#isWhole()) kept = found;
      return kept;
    } finally {
      if (kept === undefined) file.close();
    }
  }

  #isWhole(): boolean {
    const end = this.#file.length - 8;
    const sum = checksumOf(this.#parts(end));
    const written = new Uint8Array(8);
    this.#file.read(written, end);
    return new BinaryReader(written, this.#file.path, end).u64() === sum;
  }

  /** All before byte `end`. */
  *#parts(end: number): Generator<Uint8Array> {
    for (let at = 0; at < end; at += this.#window.length) {
      const part = this.#window.subarray(0, end - at);
      this.#file.read(part, at);
      yield part;
    }
  }

  /** A word of the hash of a page, by its number in the pack. */
  word(page: number, index: number): number {
    const isThere = page >= this.#first && page < this.#first + WINDOW;
    if (!isThere) this.#moveTo(page - (page % WINDOW));
    return this.#words[(page - this.#first) * HASH_WORDS + index];
  }

  #moveTo(first: number): void {
    const count = Math.min(WINDOW, this.#length - first);
    this.#file.read(this.#window.subarray(0, count * HASH_SIZE), HEADER_SIZE + first * HASH_SIZE);
    this.#first = first;
  }

  close(): void {
    this.#file.close();
  }
}
