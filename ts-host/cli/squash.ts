/** criu-wasm squash: a chain of incremental checkpoints as one. */
import type { Command } from "commander";
import { squash as squashChain } from "../offline/squash.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { inNewCheckpoint, type NewCheckpointOptions, newFormat, outDir } from "./new-checkpoint.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";

interface Options extends NewCheckpointOptions {
  json?: boolean;
}

async function squash(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  const summary = await inNewCheckpoint(checkpoint, options, (writer) =>
    runSteps("squash", squashChain(checkpoint, writer), terminal),
  );
  checkpoint.close();
  const { pages, byGeneration } = summary;
  const own = byGeneration[0] ?? 0;
  const line = `${options.outDir}: ${counted(pages, "page")}, ${pages - own} of them from ${counted(Math.max(0, byGeneration.length - 1), "parent")}\n`;
  await terminal.print(options.json ? machineJson({ directory: options.outDir, ...summary }) : line);
}

const MANUAL: Manual = {
  name: "squash",
  synopsis: "-o DIR [PATH] [--format native|criu] [--json]",
  description: [
    "Makes one checkpoint, which needs no parent, of an incremental one and all that it continues: the images are those of the last, each page is taken from the checkpoint that has it.",
  ],
  examples: [["criu-wasm squash -D images/3 -o whole", "The chain that ends in images/3 as one checkpoint."]],
};

export function squashCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .addOption(outDir())
    .addOption(newFormat())
    .addOption(json())
    .action((_path, options: Options) => squash(options, terminal));
}
