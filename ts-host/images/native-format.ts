/** What writer (native.ts) and reader (native-reader.ts) of the native format agree on. */

import { IMAGE_KINDS, type ImageKind, type MessageName } from "../generated/messages.ts";
import { BinaryReader, BinaryWriter, hex } from "./binary.ts";

/** The file whose presence makes a directory a complete native checkpoint. */
export const METADATA_NAME = "checkpoint.meta";

export const MAGIC = new TextEncoder().encode("CRIUWASM");
export const MAJOR = 2;
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
/** Name of the block that says in which store the pages are; not there: beside the metadata. */
export const STORE = "store";

export function packName(id: Uint8Array): string {
  return `pages-${hex(id.subarray(0, 8))}.pack`;
}

/** Name of a pack in a store. */
export function storedPackName(id: Uint8Array): string {
  return `packs/${hex(id)}.pack`;
}

/** Path, from the store's directory, of the hashes of a pack with that id in digits. */
export function storedHashesName(id: string): string {
  return `packs/${id}.hashes`;
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

/** Where the store of a checkpoint is. */
export interface StoreLocation {
  id: Uint8Array;
  /** From the checkpoint's directory, and from the root: the first that is there counts. */
  paths: [string, string];
}

export function encodeStoreLocation({ id, paths }: StoreLocation): Uint8Array {
  const to = new BinaryWriter().bytes(id);
  for (const path of paths) {
    const bytes = new TextEncoder().encode(path);
    to.u32(bytes.length).u32(0).bytes(bytes).padTo(8);
  }
  return to.result();
}

export function decodeStoreLocation(bytes: Uint8Array, file: string, base: number): StoreLocation {
  const from = new BinaryReader(bytes, file, base);
  const id = from.bytes(ID_SIZE).slice();
  const [relative, absolute] = [0, 1].map(() => {
    const length = from.u32();
    from.u32();
    const path = new TextDecoder().decode(from.bytes(length));
    from.skipTo(8);
    return path;
  });
  return { id, paths: [relative, absolute] };
}

/** The message of a record; none in images that are raw bytes. */
export function messageOf(kind: ImageKind, record: number): MessageName | undefined {
  const { messages } = IMAGE_KINDS[kind];
  return messages[Math.min(record, messages.length - 1)];
}
