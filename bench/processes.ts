/**
 * Dump and restore of real programs, side by side with a CRIU that works (CRIU=/path): wall time of the whole
 * command, frozen time as a heartbeat inside the program sees it, size of the images. Runs are interleaved.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asset, packageFile } from "../ts-host/assets.ts";
import { type Series, spread } from "./report.ts";

const RUNS = 7;
/** In bytes of the heartbeat file. */
const SEVERAL_BEATS = 100;

interface Contender {
  name: string;
  command: string[];
  dumpArgs: string[];
}

interface Program {
  name: string;
  /** Command line; BEATS stands for the heartbeat file. It beats when it is ready. */
  command: string[];
}

/** An environment variable that adds 50 ms to every start of Node has no part in a comparison. */
const environment = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };

function contenders(): Contender[] {
  const ours = [process.execPath, asset("criu-wasm.cjs")];
  const criu = process.env.CRIU;
  const list: Contender[] = [
    { name: "criu-wasm, native", command: ours, dumpArgs: ["--format", "native"] },
    { name: "criu-wasm, criu format", command: ours, dumpArgs: ["--format", "criu"] },
  ];
  if (criu && spawnSync(criu, ["--version"]).status === 0) {
    list.push({ name: "CRIU", command: [criu], dumpArgs: [] });
  }
  return list;
}

function timed(command: string[], args: string[]): number {
  const [program, ...before] = command;
  const began = performance.now();
  const { status, stderr, stdout } = spawnSync(program!, [...before, ...args], {
    env: environment,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${stderr}${stdout}`);
  return performance.now() - began;
}

/** The longest time between two beats since `from` (a length of the file), in ms. */
function longestGap(file: string, from: number): number {
  const beats = readFileSync(file, "latin1")
    .slice(Math.max(0, from - 40))
    .split("\n")
    .slice(1, -1)
    .map(Number);
  return Math.max(...beats.slice(1).map((beat, index) => (beat - beats[index]!) / 1e6));
}

function folderSize(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function untilGone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await sleep(5);
}

/** Until it is ready, or, on a busy machine, until it beats again after it was let go. */
async function untilItBeats(file: string): Promise<void> {
  const size = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const enough = size() + SEVERAL_BEATS;
  while (size() < enough) await sleep(5);
}

async function oneRun(
  program: Program,
  contender: Contender,
  folder: string,
  results: Map<string, Series>,
): Promise<void> {
  const beats = join(folder, "beats");
  const images = join(folder, "images");
  rmSync(images, { recursive: true, force: true });
  rmSync(beats, { force: true });
  mkdirSync(images);
  const nothing = openSync("/dev/null", "r+");
  const [executable, ...args] = program.command.map((word) => (word === "BEATS" ? beats : word));
  const child = spawn(executable!, args, { detached: true, stdio: [nothing, nothing, nothing] });
  closeSync(nothing);
  const pid = child.pid!;
  const record = (what: string, value: number) => {
    const key = `${what}\t${contender.name}`;
    results.set(key, [...(results.get(key) ?? []), value]);
  };
  try {
    await untilItBeats(beats);
    const from = statSync(beats).size;
    const common = ["-D", images, "-o", "log", "-v1"];
    timed(contender.command, ["dump", "-t", `${pid}`, ...common, ...contender.dumpArgs, "-R"]);
    await untilItBeats(beats);
    record("frozen (heartbeat), ms", longestGap(beats, from));
    rmSync(images, { recursive: true });
    mkdirSync(images);
    record("dump, ms", timed(contender.command, ["dump", "-t", `${pid}`, ...common, ...contender.dumpArgs]));
    record("images, MB", folderSize(images) / 1e6);
    await untilGone(pid);
    record("restore, ms", timed(contender.command, ["restore", "-d", ...common]));
  } finally {
    try {
      process.kill(pid, "SIGKILL");
    } catch {}
    await untilGone(pid);
  }
}

function programs(folder: string): Program[] {
  const gigabyte = join(folder, "gigabyte");
  execFileSync(process.env.CC ?? "cc", ["-O2", "-o", gigabyte, packageFile("bench/programs/gigabyte.c")]);
  const list: Program[] = [{ name: "1 GiB on tmpfs", command: [gigabyte, "BEATS", "1024"] }];
  if (spawnSync("python3", ["--version"]).status === 0) {
    const python = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
      encoding: "utf8",
    }).trim();
    list.unshift({
      name: "python3",
      command: [python, packageFile("bench/programs/heartbeat.py"), "BEATS"],
    });
  }
  return list;
}

/** Each is first in turn: memory that another one has just given back is there sooner than fresh memory. */
function inTurn<T>(list: readonly T[], round: number): T[] {
  const first = round % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

/** Prints a table a program: median and spread of each contender, and its ratio to CRIU. */
export async function benchProcesses(): Promise<void> {
  if (process.platform !== "linux" || process.getuid!() !== 0) {
    console.log("processes: skipped: needs root on Linux");
    return;
  }
  const folder = mkdtempSync("/dev/shm/criu-wasm-bench-");
  try {
    const fields = contenders();
    if (fields.length < 3)
      console.log("processes: no CRIU to compare with: set CRIU=/path/of/a/criu/that/works");
    for (const program of programs(folder)) {
      // The first time each writes what it keeps to start sooner.
      for (const contender of fields) await oneRun(program, contender, folder, new Map());
      const results = new Map<string, Series>();
      for (let run = 0; run < RUNS; run++) {
        for (const contender of inTurn(fields, run)) await oneRun(program, contender, folder, results);
      }
      report(program.name, results);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(name: string, results: Map<string, Series>): void {
  const rows = [...results].map(([key, values]) => {
    const [what, who] = key.split("\t") as [string, string];
    const { median, least, most } = spread(values);
    const reference = results.get(`${what}\tCRIU`);
    return {
      what,
      who,
      median: median.toFixed(1),
      spread: `${least.toFixed(1)}–${most.toFixed(1)}`,
      "of CRIU's": reference ? (median / spread(reference).median).toFixed(2) : "",
    };
  });
  console.log(`\n${name}, ${RUNS} runs, interleaved`);
  console.table(rows.sort((a, b) => a.what.localeCompare(b.what)));
}
