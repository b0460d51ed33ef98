/** criu-wasm convert: a checkpoint in the other format. */
import { type Command, Option } from "commander";
import { copyCheckpoint } from "../offline/copy.ts";
import { type Manual, newCommand } from "./command.ts";
import { type CompressOptions, compressMethod, compressRegion } from "./compress-options.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { inNewCheckpoint, type NewCheckpointOptions, outDir } from "./new-checkpoint.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";

interface Options extends NewCheckpointOptions, CompressOptions {
  to: "native" | "criu";
  store?: string;
  json?: boolean;
}

async function convert(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  await inNewCheckpoint(
    checkpoint,
    { ...options, format: options.to },
    (writer) => runSteps("convert", copyCheckpoint(checkpoint.reader, writer), terminal),
    { store: options.store, compress: options.compress, regionPages: options.compressRegion },
  );
  const images = checkpoint.list().length;
  checkpoint.close();
  const result = { directory: options.outDir, from: checkpoint.format, to: options.to, images };
  await terminal.print(
    options.json ? machineJson(result) : `${options.outDir}: ${counted(images, "image")}, ${options.to}\n`,
  );
}

const MANUAL: Manual = {
  name: "convert",
  synopsis: "--to native|criu -o DIR [PATH] [--store DIR] [--compress METHOD] [--json]",
  description: [
    "Writes a checkpoint in the other format. Nothing is lost on either way: images of CRIU's that were made native and back are the same, byte for byte.",
  ],
  examples: [
    ["criu-wasm convert --to criu -D images -o for-criu", "A checkpoint of criu-wasm's for CRIU."],
    [
      "criu-wasm convert --to native -D export.tar.gz -o images",
      "An exported container, deduplicated and compressed.",
    ],
    [
      "criu-wasm convert --to native --compress=zstd -D images -o archive",
      "A checkpoint to be kept for long: as small as can be.",
    ],
  ],
};

export function convertCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .addOption(outDir())
    .addOption(new Option("--to <format>", "the format").choices(["native", "criu"]).makeOptionMandatory())
    .option("--store <dir>", "page store that many native checkpoints share")
    .addOption(compressMethod())
    .addOption(compressRegion())
    .addOption(json())
    .action((_path, options: Options) => convert(options, terminal));
}
