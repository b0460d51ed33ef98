/** What writer (native.ts) and reader (native-reader.ts) of the native format agree on. */
import { IMAGE_KINDS, type ImageKind, type MessageName } from "../generated/messages.ts";

/** The file whose presence makes a directory a complete native checkpoint. */
export const METADATA_NAME = "checkpoint.meta";

export const MAGIC = new TextEncoder().encode("CRIUWASM");
export const MAJOR = 1;
export const MINOR = 0;
export const HEADER_SIZE = 64;
export const ID_SIZE = 16;
export const DIGEST_SIZE = 32;
/** Most bytes of metadata: they are held in memory, on both ways. */
export const MAX_METADATA = 2 ** 30;
/** In the place of a payload's length: the record has none. */
export const NO_PAYLOAD = 0xffffffff;
/** Name of the block that holds the page table; image blocks have the name of CRIU's file. */
export const PAGE_TABLE = "page-table";

export function packName(id: Uint8Array): string {
  const digits = Array.from(id.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0"));
  return `pages-${digits.join("")}.pack`;
}

export function isPackName(name: string): boolean {
  return /^pages-[0-9a-f]{16}\.pack$/.test(name);
}

/** Whether an entry of a directory belongs to a native checkpoint. */
export function isNativeName(name: string): boolean {
  return name === METADATA_NAME || isPackName(name);
}

/** A part of the metadata with a name and a checksum of its own. */
export interface Block {
  name: string;
  offset: number;
  /** A multiple of 8. */
  length: number;
  checksum: bigint;
}

/** The message of a record; none in images that are raw bytes. */
export function messageOf(kind: ImageKind, record: number): MessageName | undefined {
  const { messages } = IMAGE_KINDS[kind];
  return messages[Math.min(record, messages.length - 1)];
}
