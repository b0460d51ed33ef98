/** Opens the checkpoint of a directory, and creates one of a given format. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import type { CheckpointReader, CheckpointWriter } from "./checkpoint.ts";
import { CriuWriter } from "./criu.ts";
import { INVENTORY_NAME } from "./criu-reader.ts";
import { DirectorySource } from "./directory.ts";
import { type NativeOptions, NativeWriter } from "./native.ts";
import { METADATA_NAME } from "./native-format.ts";
import { openSource } from "./open-source.ts";

/** Finds out which format the checkpoint in `directory` has; an ImageError when there is none, or half of one. */
export function openCheckpoint(directory: string): CheckpointReader {
  return openSource(new DirectorySource(directory));
}

/** Begins a checkpoint in `directory`; one of the same format that is there is replaced on commit. */
export function createCheckpoint(
  directory: string,
  format: CheckpointReader["format"],
  options?: NativeOptions,
): CheckpointWriter {
  const other = format === "native" ? INVENTORY_NAME : METADATA_NAME;
  if (existsSync(join(directory, other))) {
    throw new UsageError("holds a checkpoint of the other format", {
      file: directory,
      hint: "give another directory, or remove it first",
    });
  }
  return format === "native" ? new NativeWriter(directory, options) : new CriuWriter(directory);
}
