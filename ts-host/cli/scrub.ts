/** criu-wasm scrub: a copy of a checkpoint without something that is in its memory. */
import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { scrub as scrubCheckpoint } from "../offline/scrub.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { kind, pid, prot, type SelectionOptions, selectionOf } from "./memory-options.ts";
import { inNewCheckpoint, type NewCheckpointOptions, newFormat, outDir } from "./new-checkpoint.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { addPatternOptions, type PatternOptions, patternOf } from "./search.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";

interface Options extends SelectionOptions, PatternOptions, NewCheckpointOptions {
  fill?: string;
  json?: boolean;
}

const LIMITS =
  "Not changed: names, paths and addresses in the images, registers, and whatever is written in another way (another encoding, compressed, encrypted, in parts).";

async function scrub(options: Options, terminal: Terminal): Promise<void> {
  const pattern = patternOf(options);
  const { fill = "\0" } = options;
  if (fill === "") throw new UsageError("--fill needs a text");
  const checkpoint = await openInput(options.imagesDir, terminal);
  const filler = new TextEncoder().encode(fill);
  const summary = await inNewCheckpoint(checkpoint, options, (writer) =>
    runSteps("scrub", scrubCheckpoint(checkpoint, writer, pattern, filler, selectionOf(options)), terminal),
  );
  checkpoint.close();
  if (options.json) return terminal.print(machineJson({ directory: options.outDir, ...summary }));
  const { inMemory, inImages, left } = summary;
  await terminal.print(
    `${counted(inMemory, "place")} in memory and ${inImages} in queues and deleted files overwritten\n`,
  );
  for (const { file, record, field, text } of left) {
    await terminal.print(`still in ${file}, record ${record}, field ${field}: ${text}\n`);
  }
  await terminal.print(`${LIMITS}\n`);
}

const MANUAL: Manual = {
  name: "scrub",
  synopsis: "--text TEXT | --utf16 TEXT | --hex BYTES | --regex EXPRESSION -o DIR [--fill TEXT] [PATH]",
  description: [
    "Writes a copy of a checkpoint, meant for others to see, in which all places that search would find are overwritten by zeros or by --fill; so are those in pipes, sockets, terminals and deleted files.",
    `${LIMITS} Names in which the pattern is found are listed. Look at the copy before you give it away: search tells what is left.`,
    "The process may not work when it is restored from the copy.",
  ],
  examples: [
    ["criu-wasm scrub -D images -o public --text hunter2", "A copy without the password."],
    ["criu-wasm scrub -D images -o public --regex '[0-9]{16}' --fill X", "Card numbers crossed out."],
  ],
};

export function scrubCommand(terminal: Terminal): Command {
  return readsCheckpoint(addPatternOptions(newCommand(MANUAL)))
    .addOption(outDir())
    .addOption(newFormat())
    .addOption(pid())
    .addOption(kind())
    .addOption(prot())
    .addOption(new Option("--fill <text>", "what is written over it, again and again (default: zeros)"))
    .addOption(json())
    .action((_path, options: Options) => scrub(options, terminal));
}
