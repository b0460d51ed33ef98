/** criu-wasm diff: what is different between two checkpoints. */
import type { Command } from "commander";
import {
  type Change,
  diff as differences,
  isDifferent,
  type PageRange,
  type ProcessDiff,
} from "../offline/diff.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput } from "./input.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";
import { NegativeAnswer } from "./verb.ts";

/** Ranges of a mapping that are shown to people. */
const SHOWN = 4;

function pagesIn(ranges: readonly PageRange[]): number {
  return ranges.reduce((sum, { pages }) => sum + pages, 0);
}

function changeLine({ what, before, after }: Change): string {
  if (before === undefined) return `  + ${what}: ${after}`;
  if (after === undefined) return `  - ${what}: ${before}`;
  return what.startsWith("thread") ? `  ~ ${what}: other registers` : `  ~ ${what}: ${before} -> ${after}`;
}

function rangesLine(verb: string, ranges: readonly PageRange[]): string[] {
  if (ranges.length === 0) return [];
  const shown = ranges.slice(0, SHOWN).map(({ start, pages }) => `${start.toString(16)} (${pages})`);
  return [
    `${counted(pagesIn(ranges), "page")} ${verb}: ${shown.join(", ")}${ranges.length > SHOWN ? " …" : ""}`,
  ];
}

function lines({
  pid,
  name,
  is,
  properties,
  descriptors,
  mappings,
  memory,
  compared,
}: ProcessDiff): string[] {
  const signs = { added: "+ ", removed: "- ", kept: "" };
  const changed = memory.reduce((sum, each) => sum + pagesIn(each.changed), 0);
  return [
    `${signs[is]}process ${pid} (${name})`,
    ...[...properties, ...descriptors, ...mappings].map(changeLine),
    ...(is === "kept" ? [`  memory: ${changed} of ${counted(compared, "page")} changed`] : []),
    ...memory.map(({ mapping, changed, added }) => {
      const what = `${mapping.start.toString(16)}-${mapping.end.toString(16)} ${mapping.name || mapping.kind}`;
      return `    ${what}: ${[...rangesLine("changed", changed), ...rangesLine("added", added)].join("; ")}`;
    }),
  ];
}

function forMachines(difference: ProcessDiff) {
  const memory = difference.memory.map(({ mapping, changed, added }) => {
    const { start, end, kind, protection, name } = mapping;
    return { start, end, kind, protection, name, changed, added };
  });
  return { ...difference, memory };
}

async function diff(
  before: string,
  after: string,
  options: { json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const [first, second] = [await openInput(before, terminal), await openInput(after, terminal)];
  const found: ProcessDiff[] = [];
  let total = 0;
  await runSteps("diff", differences(first, second), terminal, async (difference) => {
    total++;
    if (!isDifferent(difference)) return;
    found.push(difference);
    if (!options.json) await terminal.print(`${lines(difference).join("\n")}\n`);
  });
  first.close();
  second.close();
  if (options.json) await terminal.print(machineJson({ processes: found.map(forMachines) }));
  else if (found.length === 0) await terminal.print(`no difference in ${counted(total, "process")}\n`);
  if (found.length > 0) throw new NegativeAnswer();
}

const MANUAL: Manual = {
  name: "diff",
  synopsis: "BEFORE AFTER [--json]",
  description: [
    "Compares two checkpoints of the same processes: names, threads and their registers, descriptors, mappings, and memory page by page. Each is a directory or a tar archive, of either format.",
    "Pages of two checkpoints in one store are known to be equal without being read.",
  ],
  examples: [["criu-wasm diff images/1 images/2", "What the processes did between two checkpoints."]],
  exitStatus: "0 when nothing is different, 1 when something is, or something failed.",
};

export function diffCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .argument("<before>", "the older checkpoint")
    .argument("<after>", "the younger one")
    .addOption(json())
    .action((before: string, after: string, options: { json?: boolean }) =>
      diff(before, after, options, terminal),
    );
}
