/** Where image files of CRIU's format can be damaged. */
import { IMAGE_KINDS, type ImageKind } from "../../ts-host/generated/messages.ts";

/** Bytes of the header. */
export function headerSize(kind: ImageKind): number {
  return IMAGE_KINDS[kind].header === "magic" ? 4 : 8;
}

/** Offsets of the records of an image; of images with payloads, of the first alone. */
export function recordOffsets(kind: ImageKind, bytes: Buffer): number[] {
  const offsets: number[] = [];
  const hasPayload = "payload" in IMAGE_KINDS[kind];
  for (let at = headerSize(kind); at < bytes.length; ) {
    offsets.push(at);
    at = hasPayload ? bytes.length : at + 4 + bytes.readUInt32LE(at);
  }
  return offsets;
}

/** A copy with another word at `offset`. */
export function withWord(bytes: Buffer, offset: number, word: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt32LE(word, offset);
  return changed;
}
