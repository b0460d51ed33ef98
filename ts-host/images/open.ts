/** Opens a checkpoint of whatever format, and creates one of a given format. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ImageError, UsageError } from "../errors.ts";
import type { CheckpointReader, CheckpointWriter } from "./checkpoint.ts";
import { CriuReader, CriuWriter, INVENTORY_NAME } from "./criu.ts";
import { parseImageFileName } from "./framing.ts";
import { isNativeName, METADATA_NAME, NativeReader, NativeWriter } from "./native.ts";
import { isStagingName } from "./staging.ts";

/** Finds out which format the checkpoint in `directory` has; an ImageError when there is none, or half of one. */
export function openCheckpoint(directory: string): CheckpointReader {
  const names = entriesOf(directory);
  if (names.includes(METADATA_NAME)) return new NativeReader(directory);
  if (names.includes(INVENTORY_NAME)) return new CriuReader(directory);
  throw new ImageError(whyNone(names), { file: directory });
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = { ENOENT: "no such directory", ENOTDIR: "not a directory" };
    throw new ImageError(reasons[code ?? ""] ?? `cannot be read: ${code}`, { file: directory }, error);
  }
}

function whyNone(names: string[]): string {
  if (names.length === 0) return "the directory is empty: no checkpoint";
  if (names.some((name) => isStagingName(name))) return "an incomplete checkpoint: its dump has not finished";
  if (names.some(isNativeName)) return `an incomplete checkpoint: ${METADATA_NAME} is missing`;
  if (names.some((name) => parseImageFileName(name)?.kind === "CORE")) {
    return `incomplete images: ${INVENTORY_NAME} is missing`;
  }
  const some = names.slice(0, 3).join(", ");
  return `no checkpoint, but other files: ${some}${names.length > 3 ? " …" : ""}`;
}

/** Begins a checkpoint in `directory`; one of the same format that is there is replaced on commit. */
export function createCheckpoint(directory: string, format: CheckpointReader["format"]): CheckpointWriter {
  const other = format === "native" ? INVENTORY_NAME : METADATA_NAME;
  if (existsSync(join(directory, other))) {
    throw new UsageError("holds a checkpoint of the other format", {
      file: directory,
      hint: "give another directory, or remove it first",
    });
  }
  return format === "native" ? new NativeWriter(directory) : new CriuWriter(directory);
}
