/** Opens a checkpoint of whatever format, wherever its files are. */
import { ImageError } from "../errors.ts";
import type { CheckpointReader } from "./checkpoint.ts";
import { CriuReader, INVENTORY_NAME } from "./criu-reader.ts";
import { parseImageFileName } from "./framing.ts";
import { isNativeName, METADATA_NAME } from "./native-format.ts";
import { NativeReader } from "./native-reader.ts";
import type { FileSource } from "./source.ts";

/** Entries of a directory that begin so are where a dump, running or broken off, puts its files. */
export const STAGING_PREFIX = ".incomplete-";

/** Finds out which format the checkpoint has; an ImageError when there is none, or half of one. */
export function openSource(source: FileSource): CheckpointReader {
  const names = source.list();
  if (names.includes(METADATA_NAME)) return new NativeReader(source);
  if (names.includes(INVENTORY_NAME)) return new CriuReader(source);
  throw new ImageError(whyNone(names), { file: source.location });
}

function whyNone(names: string[]): string {
  if (names.length === 0) return "the directory is empty: no checkpoint";
  if (names.some((name) => name.startsWith(STAGING_PREFIX)))
    return "an incomplete checkpoint: its dump has not finished";
  if (names.some(isNativeName)) return `an incomplete checkpoint: ${METADATA_NAME} is missing`;
  if (names.some((name) => parseImageFileName(name)?.kind === "CORE")) {
    return `incomplete images: ${INVENTORY_NAME} is missing`;
  }
  const some = names.slice(0, 3).join(", ");
  return `no checkpoint, but other files: ${some}${names.length > 3 ? " …" : ""}`;
}
