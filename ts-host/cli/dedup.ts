/** criu-wasm dedup: a chain of CRIU's checkpoints without pages that a later one has anew. */
import type { Command } from "commander";
import { dedup as dedupChain } from "../offline/dedup.ts";
import { openDirectory } from "../offline/open-path.ts";
import { type Manual, newCommand } from "./command.ts";
import { readsCheckpoint } from "./input.ts";
import { imagesDir, json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";

async function dedup(options: { imagesDir: string; json?: boolean }, terminal: Terminal): Promise<void> {
  const checkpoint = openDirectory(options.imagesDir);
  const summary = await runSteps("dedup", dedupChain(checkpoint), terminal);
  checkpoint.close();
  const line = `${counted(summary.pages, "page")} of ${counted(summary.checkpoints, "earlier checkpoint")} given back\n`;
  await terminal.print(options.json ? machineJson(summary) : line);
}

const MANUAL: Manual = {
  name: "dedup",
  synopsis: "[PATH] [--json]",
  description: [
    "In a chain of CRIU's incremental checkpoints, gives back the room of pages that a later checkpoint has anew, in place, as CRIU's dedup does. The last checkpoint restores as before; the earlier ones can not be restored by themselves any more.",
    "convert --to native --store puts the pages of any checkpoint into a store that has each of them once.",
  ],
  examples: [
    ["criu-wasm dedup -D images/3", "The checkpoints that images/3 continues lose what it has itself."],
  ],
};

export function dedupCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL), imagesDir())
    .addOption(json())
    .action((_path, options: { imagesDir: string; json?: boolean }) => dedup(options, terminal));
}
