/** The file of a store with the hashes of the pages of a pack. Runs wherever the core does. */
import { BinaryReader, BinaryWriter, hex, sameBytes } from "../images/binary.ts";
import { HASH_SIZE } from "../wasm/pages.ts";
import { checksum } from "../wasm/sums.ts";
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

/** Undefined where the file is damaged, or of another pack than the one with that id, in digits. */
export function decodeHashes(content: Uint8Array, path: string, id: string): PageHashes | undefined {
  const from = new BinaryReader(content, path, 0);
  if (!sameBytes(from.bytes(MAGIC.length), MAGIC) || from.u16() !== VERSION) return undefined;
  from.u16();
  const length = from.u32();
  const pack = { id: from.bytes(PACK_ID_SIZE).slice(), length, digest: from.bytes(DIGEST_SIZE).slice() };
  if (content.length !== HEADER_SIZE + length * HASH_SIZE + 8 || hex(pack.id) !== id) return undefined;
  const hashes = from.bytes(length * HASH_SIZE);
  return from.u64() === checksum(content.subarray(0, content.length - 8)) ? { pack, hashes } : undefined;
}
