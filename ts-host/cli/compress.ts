/** criu-wasm compress and decompress: a checkpoint of CRIU's format with its pages compressed, or as they are. */
import { type Command, Option } from "commander";
import type { PageOptions } from "../images/create.ts";
import { copyCheckpoint } from "../offline/copy.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { inNewCheckpoint, type NewCheckpointOptions, outDir } from "./new-checkpoint.ts";
import { json, positiveInteger } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes } from "./units.ts";

interface Options extends Omit<NewCheckpointOptions, "format"> {
  region?: number;
  json?: boolean;
}

async function copy(verb: string, options: Options, pages: PageOptions, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  await inNewCheckpoint(
    checkpoint,
    { ...options, format: "criu" },
    (writer) => runSteps(verb, copyCheckpoint(checkpoint.reader, writer), terminal),
    pages,
  );
  const before = checkpoint.reader.pageFigures().bytes;
  checkpoint.close();
  const made = await openInput(options.outDir, terminal);
  const after = made.reader.pageFigures().bytes;
  made.close();
  const result = { directory: options.outDir, bytesBefore: before, bytesAfter: after };
  const line = `${options.outDir}: pages took ${bytes(before)}, and take ${bytes(after)}\n`;
  await terminal.print(options.json ? machineJson(result) : line);
}

const COMPRESS: Manual = {
  name: "compress",
  synopsis: "-o DIR [PATH] [--region PAGES] [--json]",
  description: [
    "Writes a checkpoint in CRIU's format with its pages compressed by LZ4, as CRIU 4.3 writes and reads it: page by page, or with --region so many pages at once.",
  ],
  examples: [["criu-wasm compress -D images -o small --region 16", "Regions of 64 KiB."]],
};

const DECOMPRESS: Manual = {
  name: "decompress",
  synopsis: "-o DIR [PATH] [--json]",
  description: ["Writes a checkpoint in CRIU's format with its pages as they are, as every CRIU reads it."],
  examples: [["criu-wasm decompress -D small -o images", "For a CRIU before 4.3."]],
};

export function compressCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(COMPRESS))
    .addOption(outDir())
    .addOption(new Option("--region <pages>", "pages that are compressed at once").argParser(positiveInteger))
    .addOption(json())
    .action((_path, options: Options) =>
      copy("compress", options, { compress: "lz4", regionPages: options.region }, terminal),
    );
}

export function decompressCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(DECOMPRESS))
    .addOption(outDir())
    .addOption(json())
    .action((_path, options: Options) => copy("decompress", options, { compress: "none" }, terminal));
}
