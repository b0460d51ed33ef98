/** criu-wasm store: looks after a page store that checkpoints share. */
import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { PageStore } from "../store/store.ts";
import { checkStore, collectGarbage, type StoreFinding, statistics } from "../store/upkeep.ts";
import { type Manual, newCommand } from "./command.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes, counted } from "./units.ts";
import { NegativeAnswer } from "./verb.ts";

interface Options {
  store: string;
  forgetMissing?: boolean;
  json?: boolean;
}

async function check(store: PageStore, options: Options, terminal: Terminal): Promise<void> {
  const findings: StoreFinding[] = [];
  await runSteps<void, StoreFinding>("store check", checkStore(store), terminal, async (finding) => {
    findings.push(finding);
    if (!options.json) await terminal.print(`${finding.severity}: ${finding.file}: ${finding.message}\n`);
  });
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const leftovers = findings.length - errors;
  await terminal.print(
    options.json
      ? machineJson({ sound: errors === 0, errors, leftovers, findings })
      : `${counted(errors, "error")}, ${counted(leftovers, "leftover")} that gc removes\n`,
  );
  if (errors > 0) throw new NegativeAnswer();
}

async function collect(store: PageStore, options: Options, terminal: Terminal): Promise<void> {
  const result = await runSteps("store gc", collectGarbage(store, options.forgetMissing ?? false), terminal);
  if (options.json) return terminal.print(machineJson(result));
  for (const place of result.missing)
    await terminal.print(`kept: the checkpoint of ${place} is not there now\n`);
  if (result.waiting > 0)
    await terminal.print(
      `${counted(result.waiting, "pack")} kept for dumps that are at work: try again later\n`,
    );
  await terminal.print(`${counted(result.packs, "pack")} removed, ${bytes(result.bytes)}\n`);
}

async function tell(store: PageStore, options: Options, terminal: Terminal): Promise<void> {
  const found = await runSteps("store stats", statistics(store), terminal);
  if (options.json) return terminal.print(machineJson(found));
  const { pages, zeroPages, storedPages, packBytes, hashBytes, saved } = found;
  const times = (ratio: number) => `${ratio.toFixed(2)}×`;
  await terminal.print(
    `${counted(found.checkpoints, "checkpoint")} of ${counted(pages, "page")}, ${bytes(pages * 4096)}
    without pages that are zero      ${times(saved.zero)}  ${pages - zeroPages} pages left
    without pages that are there     ${times(saved.dedup)}  ${storedPages} pages left
    compressed                       ${times(saved.compression)}  ${bytes(packBytes)} in ${counted(found.packs, "pack")}
    in all                           ${times(saved.all)}  and ${bytes(hashBytes)} of hashes\n`,
  );
}

const ACTIONS: Record<string, typeof check> = { check, gc: collect, stats: tell };

const MANUAL: Manual = {
  name: "store",
  synopsis: "check|gc|stats --store DIR [--forget-missing] [--json]",
  description: [
    "A page store holds the pages of all checkpoints that were dumped with --store: what is there is not stored again.",
    "check reads everything and tells what is damaged. gc removes what no checkpoint refers to any more; it is safe beside dumps at work. stats tells what is saved.",
    "A checkpoint counts as removed when its checkpoint.meta was removed; it may be moved within its file system. One on another file system is found by its path, and kept while it is not there, unless --forget-missing is given. A copy of a checkpoint does not count.",
    "Whoever may read a store may read the memory of all programs in it. And a program can find out, by the size and time of its dump, whether a page that it makes is in the store already: share one among programs that may know of each other.",
  ],
  examples: [
    ["criu-wasm dump -t 812 -D monday --store pages", "The pages go to the store, all else to monday."],
    ["criu-wasm store check --store pages", "Is everything that its checkpoints need there and as it was?"],
    [
      "rm -r monday && criu-wasm store gc --store pages",
      "A checkpoint is removed; then the pages only it had.",
    ],
  ],
  exitStatus: "0 when all of it worked and check found no damage, else 1.",
};

export function storeCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .argument("<action>")
    .addOption(new Option("--store <dir>", "directory of the store").makeOptionMandatory())
    .option("--forget-missing", "gc: checkpoints that are not at their place count as removed")
    .addOption(json())
    .action((action: string, options: Options) => {
      if (!Object.hasOwn(ACTIONS, action)) {
        throw new UsageError(`unknown action ${action}`, { hint: "check, gc or stats" });
      }
      return ACTIONS[action](PageStore.open(options.store), options, terminal);
    });
}
