/** criu-wasm x: explores a checkpoint, in the words of `crit x`. */
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { Checkpoint } from "../offline/checkpoint.ts";
import {
  exploreFiles,
  exploreMappings,
  exploreResident,
  exploreSockets,
  exploreTree,
  type TreeNode,
} from "../offline/explore.ts";
import type { Progress } from "../offline/progress.ts";
import { type Manual, newCommand } from "./command.ts";
import { choosePath, openInput } from "./input.ts";
import { imagesPath, json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";

const hex = (value: bigint) => value.toString(16);

function treeLines({ pid, pgid, sid, comm, children }: TreeNode, depth = 0): string[] {
  const numbers = [pid, pgid, sid].map((number) => String(number).padStart(7)).join("");
  return [
    `${numbers}   ${" ".repeat(4 * depth)}${comm}`,
    ...children.flatMap((child) => treeLines(child, depth + 1)),
  ];
}

/** Address ranges are padded to 8 digits, as crit does. */
const range = (start: bigint, end: bigint) => `${hex(start).padStart(8, "0")}-${hex(end).padStart(8, "0")}`;

function residentLine(vaddr: bigint, pages: number, mappings: string[]): string {
  const below = `\n\t${" ".repeat(23)}`;
  return (
    `\t${hex(vaddr)} / ${String(pages).padEnd(8)}`.padEnd(24) + mappings.map((each) => each + below).join("")
  );
}

/** What is found, as text. */
type Explorer = (checkpoint: Checkpoint, asJson: boolean) => Generator<Progress, string>;

function explorer<T>(
  explore: (checkpoint: Checkpoint) => Generator<Progress, T>,
  lines: (found: T) => string[],
): Explorer {
  return function* (checkpoint, asJson) {
    const found = yield* explore(checkpoint);
    return asJson
      ? machineJson(found)
      : lines(found)
          .map((line) => `${line}\n`)
          .join("");
  };
}

const EXPLORERS: Record<string, Explorer> = {
  ps: explorer(exploreTree, (roots) => [
    `${"PID".padStart(7)}${"PGID".padStart(7)}${"SID".padStart(7)}   COMM`,
    ...roots.flatMap((root) => treeLines(root)),
  ]),
  fds: explorer(exploreFiles, (processes) =>
    processes.flatMap(({ pid, files }) => [
      String(pid),
      ...files.map(({ fd, file }) => `\t${String(fd).padStart(7)}: ${file}`),
    ]),
  ),
  mems: explorer(exploreMappings, (processes) =>
    processes.flatMap(({ pid, exe, mappings }) => [
      String(pid),
      ...(exe === undefined ? [] : [`\t${"exe".padEnd(36)}    ${exe}`]),
      ...mappings.map(
        ({ start, end, prot, what }) =>
          `\t${range(start, end).padEnd(36)}${prot}${what === "" ? "" : ` ${what}`}`,
      ),
    ]),
  ),
  rss: explorer(exploreResident, (processes) =>
    processes.flatMap(({ pid, runs }) => [
      String(pid),
      ...runs.map(({ vaddr, pages, mappings }) =>
        residentLine(
          vaddr,
          pages,
          mappings.map(({ start, pages, file, same }) =>
            same
              ? " ~"
              : ` ${hex(start).padStart(8, "0")} / ${String(pages).padEnd(8)}${file === "" ? "" : ` ${file}`}`,
          ),
        ),
      ),
    ]),
  ),
  sk: explorer(exploreSockets, (processes) =>
    processes.flatMap(({ pid, sockets }) => [
      String(pid),
      ...sockets.map(({ fd, text }) => `\t${String(fd).padStart(7)}: ${text}`),
    ]),
  ),
};

interface Options {
  imagesDir: string;
  json?: boolean;
}

async function explore(what: string, options: Options, terminal: Terminal): Promise<void> {
  if (!Object.hasOwn(EXPLORERS, what))
    throw new UsageError(`cannot tell of ${what}`, { hint: "ps, fds, mems, rss or sk" });
  const checkpoint = await openInput(options.imagesDir, terminal);
  const exploring = EXPLORERS[what]!(checkpoint, options.json ?? false);
  await terminal.print(await runSteps(`x ${what}`, exploring, terminal));
  checkpoint.close();
}

const MANUAL: Manual = {
  name: "x",
  synopsis: "[PATH] ps|fds|mems|rss|sk [--json]",
  description: [
    "Explores a checkpoint: ps is the process tree, fds the open files, mems the mappings, rss the pages that are in the images with the mappings they lie in, sk the sockets.",
    "The text is that of CRIU's crit, so that scripts made for it go on working; show tells more.",
  ],
  examples: [["criu-wasm x images ps", "The process tree."]],
};

export function xCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .argument("<first>", "PATH, or what is to be told of the checkpoint of -D")
    .argument("[second]", "what is to be told of PATH")
    .addOption(imagesPath())
    .addOption(json())
    .action((first: string, second: string | undefined, _options, command: Command) => {
      if (second !== undefined) choosePath(command, first);
      return explore(second ?? first, command.opts<Options>(), terminal);
    });
}
