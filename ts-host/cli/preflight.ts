/** criu-wasm preflight: what a restore would meet, on this machine or another. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import {
  cgroupsOf,
  type HostFacts,
  type Obstacle,
  preflight as obstaclesTo,
  pathsOf,
} from "../offline/preflight/index.ts";
import { type Manual, newCommand } from "./command.ts";
import { hostFacts } from "./host-facts.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";
import { NegativeAnswer } from "./verb.ts";

interface Options {
  imagesDir: string;
  host?: string;
  facts?: boolean;
  json?: boolean;
}

/** What facts are made of, with an example of each. */
const SHAPE: HostFacts = {
  release: "",
  machine: "",
  pidMax: 0,
  tasks: {},
  files: {},
  bound: [],
  filesystems: [],
  cgroups: {},
  cpuFlags: [],
  capabilities: "",
};

function factsIn(path: string): HostFacts {
  const fail = (message: string): never => {
    const hint = "criu-wasm preflight --facts prints them";
    throw new UsageError(`no facts of a machine: ${message}`, { file: path, hint });
  };
  let facts: Record<string, unknown>;
  try {
    facts = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return fail((error as Error).message);
  }
  for (const [name, example] of Object.entries(SHAPE)) {
    const value = facts?.[name];
    if (typeof value !== typeof example || Array.isArray(value) !== Array.isArray(example) || value === null)
      fail(`${name} is missing, or is something else`);
  }
  return facts as unknown as HostFacts;
}

async function preflight(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  const host =
    options.host === undefined
      ? await runSteps("preflight, files", hostFacts(pathsOf(checkpoint), cgroupsOf(checkpoint)), terminal)
      : factsIn(options.host);
  if (options.facts) return terminal.print(machineJson(host));
  const obstacles: Obstacle[] = [];
  await runSteps<void, Obstacle>("preflight", obstaclesTo(checkpoint, host), terminal, async (obstacle) => {
    obstacles.push(obstacle);
  });
  checkpoint.close();
  const errors = obstacles.filter(({ severity }) => severity === "error").length;
  if (options.json) {
    await terminal.print(machineJson({ restorable: errors === 0, obstacles }));
  } else {
    for (const { severity, about, message, remedy } of obstacles) {
      await terminal.print(`${severity}: ${about}: ${message}\n    ${remedy}\n`);
    }
    await terminal.print(
      errors === 0 ? "nothing is known to stand in the way\n" : `${counted(errors, "obstacle")}\n`,
    );
  }
  if (errors > 0) throw new NegativeAnswer();
}

const MANUAL: Manual = {
  name: "preflight",
  synopsis: "[PATH] [--host FACTS] [--facts] [--json]",
  description: [
    "Tells what a restore would meet: pids that are taken, files that are gone or have changed in size, mode or build id, ports in use, features of the CPU and the kernel, file systems and sources of mounts, cgroups, privileges, external resources; each with what to do about it.",
    "Mounts are those of a mount namespace of the processes' own: of others the images say nothing, but for the files that are open on them. Files in such mounts, as in a container, are not looked at, and pids and ports of namespaces of the processes' own are in nobody's way. The task's cgroup is left to the caller of the restore, so that one that is gone is a warning.",
    "On Linux it looks at this machine. --facts prints what it has looked at; on another machine, or about another, give that with --host.",
  ],
  examples: [
    ["criu-wasm preflight -D images", "Would a restore work here?"],
    ["criu-wasm preflight -D images --facts > target.json", "On the target: what is there."],
    ["criu-wasm preflight -D images --host target.json", "Elsewhere: would a restore work there?"],
  ],
  exitStatus: "0 when nothing is known to stand in the way, 1 when something does, or something failed.",
};

export function preflightCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .option("--host <facts>", "file with the facts of a machine, as --facts prints them")
    .option("--facts", "print the facts of this machine and judge nothing")
    .addOption(json())
    .action((_path, options: Options) => preflight(options, terminal));
}
