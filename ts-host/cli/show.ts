/** criu-wasm show: the process tree of a checkpoint, or the records of one image. */
import type { Command } from "commander";
import type { Checkpoint } from "../offline/checkpoint.ts";
import { namesImage, openImage } from "../offline/image-file.ts";
import { PAGE_SIZE } from "../offline/page-index.ts";
import { type MappingSummary, type ProcessSummary, summarize } from "../offline/summary.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json } from "./options.ts";
import { Progress } from "./progress.ts";
import { machineJson, printable, type Terminal } from "./terminal.ts";
import { bytes, counted, grouped } from "./units.ts";

interface Options {
  imagesDir: string;
  json?: boolean;
}

/** Threads that are told one by one. */
const MOST_THREADS = 8;
/** Characters that are printed at once. */
const PART = 16 << 10;

function title({ pid, name, state, threads, uids }: ProcessSummary): string {
  const facts: string[] = [state];
  if (threads.length > 1) facts.push(counted(threads.length, "thread"));
  if (uids) facts.push(`user ${[...new Set(uids)].join("/")}`);
  return `${pid} ${name} (${facts.join(", ")})`;
}

function memoryLine(
  mappings: MappingSummary[],
  { stored, inParent, lazy }: NonNullable<ProcessSummary["pages"]>,
): string {
  const parts = [`${counted(stored, "page")} in the images, ${bytes(stored * PAGE_SIZE)}`];
  if (inParent > 0) parts.push(`${grouped(inParent)} in the parent checkpoint`);
  if (lazy > 0) parts.push(`${grouped(lazy)} lazy`);
  const kinds = mappings.map(({ kind, count, size }) => `${count} ${kind} ${bytes(size)}`);
  return `${parts.join("; ")}; mappings: ${kinds.join(", ")}`;
}

/** What is told of a process, under headings. */
function facts(summary: ProcessSummary): [heading: string, lines: string[]][] {
  const { group, session, threads, executable, arguments: args = [], workingDirectory, root } = summary;
  const { mappings = [], pages, descriptors = [] } = summary;
  const lines: [string, string[]][] = [["session", [`${session}, group ${group}`]]];
  if (executable !== undefined) lines.push(["program", [executable]]);
  if (args.length > 0) lines.push(["arguments", [args.map((arg) => JSON.stringify(arg)).join(" ")]]);
  if (workingDirectory !== undefined) lines.push(["directory", [workingDirectory]]);
  if (root !== undefined && root !== "/") lines.push(["root", [root]]);
  if (pages) lines.push(["memory", [memoryLine(mappings, pages)]]);
  if (threads.length > 1) {
    const shown = threads.slice(1, 1 + MOST_THREADS).map(({ tid, name }) => `${tid} ${name}`.trimEnd());
    const more = threads.length - 1 - shown.length;
    lines.push(["threads", [`${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}`]]);
  }
  const width = String(descriptors.at(-1)?.fd ?? 0).length;
  if (descriptors.length > 0)
    lines.push(["files", descriptors.map(({ fd, text }) => `${String(fd).padStart(width)}  ${text}`)]);
  return lines;
}

function factLines(summary: ProcessSummary): string[] {
  return facts(summary).flatMap(([heading, lines]) =>
    lines.map((line, index) => `${(index === 0 ? heading : "").padEnd(10)}${line}`),
  );
}

class Tree {
  readonly #checkpoint: Checkpoint;
  readonly #children = new Map<number, number[]>();
  /** Processes whose parent is not in the checkpoint: the root alone, in a sound one. */
  readonly roots: number[] = [];

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    const pids = new Set(checkpoint.processes.map(({ pid }) => pid));
    for (const { pid, parentPid } of checkpoint.processes) {
      if (!pids.has(parentPid) || parentPid === pid) this.roots.push(pid);
      else this.#children.set(parentPid, [...(this.#children.get(parentPid) ?? []), pid]);
    }
  }

  /** The lines of a process and those below it; `indent` leads to it, `branch` stands before its name. */
  *lines(pid: number, indent = "", branch = ""): Generator<string> {
    const summary = summarize(this.#checkpoint.process(pid), this.#checkpoint);
    const children = this.#children.get(pid) ?? [];
    yield `${indent}${branch}${title(summary)}`;
    const below = branch === "" ? "" : indent + (branch.startsWith("└") ? "    " : "│   ");
    const beside = children.length > 0 ? "│   " : "    ";
    for (const line of factLines(summary)) yield `${below}${beside}${line}`;
    for (const [index, child] of children.entries())
      yield* this.lines(child, below, index === children.length - 1 ? "└── " : "├── ");
  }
}

async function showCheckpoint(checkpoint: Checkpoint, asJson: boolean, terminal: Terminal): Promise<void> {
  const { format, location, processes } = checkpoint;
  const progress = new Progress(terminal);
  if (asJson) {
    const summaries: ProcessSummary[] = [];
    for (const process of processes) {
      summaries.push(summarize(process, checkpoint));
      await progress.showAndBreathe(() => `show: ${counted(summaries.length, "process")}`);
    }
    progress.end();
    await terminal.print(machineJson({ format, processes: summaries }));
    return;
  }
  let lines = 0;
  await terminal.print(
    `${location}: checkpoint in ${format === "criu" ? "CRIU's" : "native"} format, ${counted(processes.length, "process")}\n\n`,
  );
  const tree = new Tree(checkpoint);
  let part = "";
  for (const root of tree.roots) {
    for (const line of tree.lines(root)) {
      part += `${printable(line)}\n`;
      lines++;
      if (part.length < PART) continue;
      await terminal.print(part);
      part = "";
      await progress.showAndBreathe(() => `show: ${grouped(lines)} lines`);
    }
  }
  await terminal.print(part);
  progress.end();
}

async function show({ imagesDir: path, json: asJson = false }: Options, terminal: Terminal): Promise<void> {
  if (namesImage(path)) {
    for (const part of openImage(path).json(true)) await terminal.print(part.slice());
    return terminal.print("\n");
  }
  const checkpoint = await openInput(path, terminal);
  try {
    await showCheckpoint(checkpoint, asJson, terminal);
  } finally {
    checkpoint.close();
  }
}

const MANUAL: Manual = {
  name: "show",
  synopsis: "[PATH] [--json]",
  description: [
    "Shows the processes of a checkpoint as a tree: state, user, program, arguments, working directory, memory, threads and open files. PATH is its directory, by default the current one, or a tar archive of it.",
    "Where PATH is one image, its records are printed as decode --pretty prints them. That may be DIR/core-812.img, too, where DIR has a native checkpoint.",
    "The arguments are read from the memory in the checkpoint and left out where it is not there.",
  ],
  examples: [
    ["criu-wasm show images", "The process tree."],
    ["criu-wasm show images/core-812.img", "Registers, signals and timers of process 812."],
    ["criu-wasm show images --json | jq '.processes[].descriptors'", "All open files, for machines."],
  ],
};

export function showCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .addOption(json())
    .action((_path, options: Options) => show(options, terminal));
}
