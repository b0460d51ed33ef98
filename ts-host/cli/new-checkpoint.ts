/** What verbs have in common that make a new checkpoint of one that is there. */
import { realpathSync } from "node:fs";
import { Option } from "commander";
import { UsageError } from "../errors.ts";
import type { CheckpointWriter } from "../images/checkpoint.ts";
import { createCheckpoint, type PageOptions } from "../images/create.ts";
import type { Checkpoint } from "../offline/checkpoint.ts";
import { onSignal } from "./leftovers.ts";

export interface NewCheckpointOptions {
  imagesDir: string;
  outDir: string;
  format?: "native" | "criu";
}

export const outDir = () =>
  new Option("-o, --out-dir <dir>", "directory for the new checkpoint").makeOptionMandatory();
export const newFormat = () =>
  new Option("--format <format>", "of the new checkpoint (default: that of the old one)").choices([
    "native",
    "criu",
  ]);

/** Runs `body` with a writer, which it commits, or aborts when it fails or is ended. */
export async function inNewCheckpoint<T>(
  checkpoint: Checkpoint,
  { imagesDir, outDir, format }: NewCheckpointOptions,
  body: (writer: CheckpointWriter) => Promise<T>,
  pages: PageOptions = {},
): Promise<T> {
  if (isSamePlace(imagesDir, outDir)) {
    throw new UsageError("the new checkpoint cannot take the place of the one that is read", {
      file: outDir,
    });
  }
  let writer: CheckpointWriter | undefined;
  // Before anything is there: signals that come from now on find it.
  const callOff = onSignal(() => writer?.abort());
  try {
    writer = createCheckpoint(outDir, format ?? checkpoint.format, pages);
    return await body(writer);
  } finally {
    callOff();
  }
}

function isSamePlace(left: string, right: string): boolean {
  try {
    return realpathSync(left) === realpathSync(right);
  } catch {
    return false;
  }
}
