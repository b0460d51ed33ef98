/** /proc/PID/auxv: the auxiliary vector, pairs of 64-bit words (keys: abi/auxv.ts). */
import { ProcFormatError } from "./text.ts";

/** All words in order, as an image's mm_saved_auxv holds them: key, value, key, value … */
export function parseAuxv(bytes: Uint8Array, file: string): bigint[] {
  if (bytes.length % 16 !== 0)
    throw new ProcFormatError(`${bytes.length} bytes are no pairs of words`, { file });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 8 }, (_, index) => view.getBigUint64(index * 8, true));
}

/** The value for a key, undefined where there is none. */
export function auxvValue(words: readonly bigint[], key: number): bigint | undefined {
  for (let index = 0; index + 1 < words.length; index += 2) {
    if (words[index] === BigInt(key)) return words[index + 1];
  }
  return undefined;
}
