/**
 * Runs the C programs of test/victims: compiles them, starts them, tells them to go, awaits their verdict,
 * and takes them through dump and restore. test/victims/README.md has the protocol.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { asset } from "../../ts-host/assets.ts";
import type { VictimEntry } from "../victims/catalogue.ts";

const projectRoot = dirname(dirname(asset("x")));
const sourceFolder = join(projectRoot, "test/victims");
const binaryFolder = join(projectRoot, "build/victims");

/** Long enough for a loaded machine; only ever reached by a failure. */
const DEADLINE_MS = 60_000;

/** Polls `condition` until it gives something truthy; fails, saying `what`, after a minute. */
export async function waitFor<T>(what: () => string, condition: () => T): Promise<NonNullable<T>> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain: ${what()}`);
    await sleep(5);
  }
}

/** The state letter of a task as in /proc/PID/stat; undefined when there is no such task. */
export function taskState(pid: number): string | undefined {
  try {
    // The name, in brackets, may hold anything.
    return /^.*\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}

// ---- compiling

let compiler: Promise<string | undefined> | undefined;

async function findCompiler(): Promise<string | undefined> {
  for (const name of [process.env.CC, "cc", "gcc", "clang"]) {
    if (!name) continue;
    const works = await promisify(execFile)(name, ["--version"]).then(
      () => true,
      () => false,
    );
    if (works) return name;
  }
  return undefined;
}

/** Raised by `compileVictim` when this machine cannot build it; a test skips with the message. */
export class CannotCompile extends Error {}

const compiled = new Map<string, Promise<string>>();

/** Compiles test/victims/SOURCE, unless build/victims has it newer than its sources; gives the path. */
export function compileVictim(source: string, options: { static?: boolean } = {}): Promise<string> {
  const binary = join(binaryFolder, source.replace(/\.\w+$/, options.static ? ".static" : ""));
  let result = compiled.get(binary);
  if (result === undefined) {
    result = compile(source, binary, options.static ?? false);
    compiled.set(binary, result);
  }
  return result;
}

async function compile(source: string, binary: string, isStatic: boolean): Promise<string> {
  const headers = readdirSync(sourceFolder).filter((name) => name.endsWith(".h"));
  const newest = Math.max(...[source, ...headers].map((name) => statSync(join(sourceFolder, name)).mtimeMs));
  const built = statSync(binary, { throwIfNoEntry: false });
  if (built && built.mtimeMs > newest) return binary;

  compiler ??= findCompiler();
  const cc = await compiler;
  if (cc === undefined) throw new CannotCompile("no C compiler");
  mkdirSync(binaryFolder, { recursive: true });
  const unfinished = `${binary}.${process.pid}`;
  const flags = source.endsWith(".S")
    ? ["-m32", "-nostdlib", "-static", "-no-pie"]
    : [
        "-std=gnu17",
        "-D_GNU_SOURCE",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        ...(isStatic ? ["-static"] : []),
      ];
  try {
    await promisify(execFile)(cc, [...flags, "-o", unfinished, join(sourceFolder, source)]);
  } catch (error) {
    const message = (error as { stderr?: string }).stderr ?? String(error);
    if (isStatic && /cannot find -l/.test(message)) throw new CannotCompile("no static C library");
    if (source.endsWith(".S")) throw new CannotCompile("the C compiler cannot make 32-bit programs");
    throw new Error(`${source} does not compile:\n${message}`);
  }
  renameSync(unfinished, binary);
  return binary;
}

// ---- running

const running = new Set<Victim>();

function killAll(): void {
  for (const victim of running) victim.kill();
}
process.on("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const CLEAN_EXIT = "exit status 0";

/** Node itself would have a shell read what the kernel does not execute. */
const EXECUTE = ["bash", "-c", 'exec "$0" "$@"'];
const CANNOT_EXECUTE = "exit status 126";

/** A started victim, before or after it was dumped and restored: a restored one keeps its pid. */
export class Victim {
  readonly entry: VictimEntry;
  /** Its own directory, which is also its current one: its output, its files; removed after the test. */
  readonly dir: string;
  /** The pid it announced with READY. */
  pid = 0;
  readonly #starter: ChildProcess;
  #starterEnd: string | undefined;

  constructor(entry: VictimEntry, dir: string, starter: ChildProcess) {
    this.entry = entry;
    this.dir = dir;
    this.#starter = starter;
    starter.once("exit", (code, signal) => {
      this.#starterEnd = signal ?? (code === 0 ? CLEAN_EXIT : `exit status ${code}`);
    });
    starter.once("error", (error) => {
      this.#starterEnd = error.message;
    });
  }

  get #outputFile(): string {
    return join(this.dir, "output");
  }

  /** All that it wrote to standard output and error. */
  output(): string {
    return readFileSync(this.#outputFile, "utf8");
  }

  /** Undefined until it wrote its last line. */
  verdict(): "PASS" | "FAIL" | "SKIP" | undefined {
    return /^(PASS|FAIL|SKIP)\b.*\n/m.exec(this.output())?.[1] as "PASS" | "FAIL" | "SKIP" | undefined;
  }

  get #cannotExecute(): boolean {
    return this.entry.mayNotExecute === true && this.#starterEnd === CANNOT_EXECUTE;
  }

  /** Reason of a SKIP. */
  skipReason(): string | undefined {
    if (this.#cannotExecute) return "this kernel does not execute it";
    return /^SKIP: (.*)\n/m.exec(this.output())?.[1];
  }

  /** Whether a process with its pid exists that is this victim (pids are used again). A zombie is not. */
  isAlive(): boolean {
    return this.#owns(this.pid);
  }

  /** Waits until the victim has announced itself and is in the state in which it is to be met. */
  async ready(): Promise<void> {
    await waitFor(
      () => `${this.entry.name} does not announce itself\n${this.output()}`,
      () => {
        // First: a verdict that comes between the two would hide the announcement.
        const verdict = this.verdict();
        const announced = /^READY (\d+)\n/m.exec(this.output());
        if (announced) this.pid = Number(announced[1]);
        // One that ends well without a word leaves a child that will announce itself.
        const failed = this.#starterEnd !== undefined && this.#starterEnd !== CLEAN_EXIT;
        if (this.#cannotExecute) return true;
        if (!announced && failed && !verdict) {
          throw new Error(
            `${this.entry.name} ended before it was ready: ${this.#starterEnd}\n${this.output()}`,
          );
        }
        return announced || verdict;
      },
    );
    const verdict = this.verdict();
    if (this.skipReason() !== undefined || this.entry.endsBySelf) return;
    assert.equal(verdict, undefined, `${this.entry.name} failed before it was dumped:\n${this.output()}`);
    const states = this.entry.states ?? "S";
    await waitFor(
      () => `${this.entry.name} is in state ${taskState(this.pid)}, not in one of ${states}`,
      () => states.includes(taskState(this.pid) ?? "-"),
    );
  }

  /** Tells it to check itself and to end. */
  go(): void {
    for (const pid of this.#pids()) {
      if (!this.#owns(pid)) continue;
      for (const signal of this.entry.goSignals ?? ["SIGTERM"]) process.kill(pid, signal);
    }
  }

  /** Waits until no process has its pid, not even a zombie: a restore needs the pid free. */
  async waitGone(): Promise<void> {
    await waitFor(
      () => `${this.entry.name}, pid ${this.pid}, is still there, in state ${taskState(this.pid)}`,
      () => taskState(this.pid) === undefined,
    );
  }

  /** Waits for its verdict and for its end; fails unless it is PASS. */
  async expectPass(): Promise<void> {
    let unseen = 0;
    await waitFor(
      () => `${this.entry.name} gives no verdict; its state is ${taskState(this.pid)}\n${this.output()}`,
      () => {
        const verdict = this.verdict();
        // One that executes a program in another thread is away for a moment.
        unseen = verdict || this.#pids().some((pid) => this.#owns(pid)) ? 0 : unseen + 1;
        if (unseen > 20 && !this.verdict()) {
          const how = this.#starterEnd ?? "nobody knows how";
          throw new Error(`${this.entry.name} ended without a verdict: ${how}\n${this.output()}`);
        }
        return verdict;
      },
    );
    assert.equal(this.verdict(), "PASS", `${this.entry.name} says:\n${this.output()}`);
    await this.waitGone();
  }

  /** Ends whatever is left of it, at once. Children of a victim end with their parent. */
  kill(): void {
    for (const pid of this.#pids()) {
      try {
        if (this.#owns(pid)) process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  /** The victim, and the process that was started, when that is not the same and stays behind. */
  #pids(): number[] {
    return [...new Set([this.pid, this.#starter.pid ?? 0])];
  }

  /** Only a process of ours has our output file as its standard output. A leader that has exited has none. */
  #owns(pid: number): boolean {
    try {
      const ours = statSync(this.#outputFile);
      return readdirSync(`/proc/${pid}/task`).some((tid) => {
        const file = statSync(`/proc/${pid}/task/${tid}/fd/1`, { throwIfNoEntry: false });
        return file?.ino === ours.ino && file.dev === ours.dev;
      });
    } catch {
      return false;
    }
  }
}

/**
 * Starts a victim as leader of a session of its own and waits until it is ready. It is killed, and its
 * directory removed, when the test ends, however that ends. Undefined when this machine lacks what the
 * victim needs: then the test has been marked as skipped, with the reason.
 */
export async function startVictim(t: TestContext, entry: VictimEntry): Promise<Victim | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return skip(t, "not x86-64 Linux");
  let command: string[];
  try {
    command = entry.command ?? [
      await compileVictim(entry.source ?? `${entry.name}.c`, { static: entry.static }),
      ...(entry.args ?? []),
    ];
  } catch (error) {
    if (error instanceof CannotCompile) return skip(t, error.message);
    throw error;
  }
  const dir = mkdtempSync(join(tmpdir(), "victim-"));
  chmodSync(dir, 0o755);
  const output = openSync(join(dir, "output"), "a");
  if (entry.mayNotExecute) command = [...EXECUTE, ...command];
  const starter = spawn(command[0]!, command.slice(1), {
    cwd: dir,
    detached: true,
    env: {},
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  // One that is traced from here when it dies is reaped by its tracer: Node would wait for it for ever.
  starter.unref();
  const victim = new Victim(entry, dir, starter);
  running.add(victim);
  t.after(() => {
    victim.kill();
    running.delete(victim);
    rmSync(dir, { recursive: true, force: true });
  });
  await victim.ready();
  const reason = victim.skipReason();
  return reason === undefined ? victim : skip(t, reason);
}

function skip(t: TestContext, reason: string): undefined {
  t.skip(reason);
  return undefined;
}

// ---- the program under test

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A program with CRIU's command line: its file, and arguments that come before all others. */
export type Program = readonly [string, ...string[]];

export const CRIU_WASM: Program = [process.execPath, asset("criu-wasm.cjs")];

/** Runs a program and waits for its end; the test judges the status. */
export async function runProgram(
  [file, ...before]: Program,
  args: string[],
  options: { cwd?: string } = {},
): Promise<CliResult> {
  // Files, not pipes: a restored process may go on holding what the program was given.
  const dir = mkdtempSync(join(tmpdir(), "cli-"));
  const [stdout, stderr] = [openSync(join(dir, "stdout"), "a"), openSync(join(dir, "stderr"), "a")];
  try {
    const child = spawn(file, [...before, ...args], {
      cwd: options.cwd,
      stdio: ["ignore", stdout, stderr],
      timeout: DEADLINE_MS,
      killSignal: "SIGKILL",
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    return {
      status,
      stdout: readFileSync(join(dir, "stdout"), "utf8"),
      stderr: readFileSync(join(dir, "stderr"), "utf8"),
    };
  } finally {
    closeSync(stdout);
    closeSync(stderr);
    rmSync(dir, { recursive: true });
  }
}

/** Runs dist/criu-wasm.cjs. */
export function runCli(args: string[], options: { cwd?: string } = {}): Promise<CliResult> {
  return runProgram(CRIU_WASM, args, options);
}

/** The kernel gives ids out in turn: somebody else's thread may have the one that is wanted, for a moment. */
const TAKEN = /its (pid|thread id \d+) is taken by/;
const PATIENCE_MS = 10_000;

/** Runs it, and again where an id is taken; fails unless it exits with 0. */
export async function mustRun(args: string[], cwd: string, program = CRIU_WASM): Promise<CliResult> {
  const end = Date.now() + PATIENCE_MS;
  let result = await runProgram(program, args, { cwd });
  while (result.status !== 0 && TAKEN.test(result.stderr) && Date.now() < end) {
    await sleep(100);
    result = await runProgram(program, args, { cwd });
  }
  assert.equal(result.status, 0, `${[...program, ...args].join(" ")}\n${result.stdout}${result.stderr}`);
  return result;
}

export interface DumpOptions {
  dumpArgs?: string[];
  format?: "native" | "criu";
}

export interface RoundTripOptions extends DumpOptions {
  restoreArgs?: string[];
  /** What dumps and what restores; criu-wasm when not given. */
  dumpWith?: Program;
  restoreWith?: Program;
  /** How often it is dumped and restored before it is told to go; 1 when not given. */
  rounds?: number;
}

function dumpCommand(victim: Victim, images: string, options: DumpOptions): string[] {
  const format = options.format === undefined ? [] : ["--format", options.format];
  mkdirSync(images, { recursive: true });
  const extra = [...(victim.entry.dumpArgs ?? []), ...(options.dumpArgs ?? [])];
  return ["dump", "-t", String(victim.pid), "-D", images, ...format, ...extra];
}

/** Start, dump, gone, restore, go, PASS. */
export async function roundTrip(t: TestContext, entry: VictimEntry, options: RoundTripOptions = {}) {
  const victim = await startVictim(t, entry);
  if (victim === undefined) return;
  const { dumpWith = CRIU_WASM, restoreWith = CRIU_WASM } = options;
  for (let round = 0; round < (options.rounds ?? 1); round++) {
    const images = join(victim.dir, `images.${round}`);
    const pidFile = join(victim.dir, `pid.${round}`);
    await mustRun(dumpCommand(victim, images, options), victim.dir, dumpWith);
    await victim.waitGone();
    await mustRun(
      ["restore", "-d", "-D", images, "--pidfile", pidFile, ...(options.restoreArgs ?? [])],
      victim.dir,
      restoreWith,
    );
    assert.equal(readFileSync(pidFile, "utf8").trim(), String(victim.pid));
  }
  victim.go();
  await victim.expectPass();
}

/** Dumped with --leave-running it behaves, and says, what it says when nobody dumps it. */
export async function leaveRunning(t: TestContext, entry: VictimEntry, options: DumpOptions = {}) {
  const victim = await startVictim(t, entry);
  if (victim === undefined) return;
  await mustRun([...dumpCommand(victim, join(victim.dir, "images"), options), "-R"], victim.dir);
  await expectUndisturbed(victim);
}

/** It goes, passes, and none of its waits has ended meanwhile. */
export async function expectUndisturbed(victim: Victim): Promise<void> {
  victim.go();
  await victim.expectPass();
  if (!victim.entry.endsWhenStopped) assert.doesNotMatch(victim.output(), /^came back early/m);
}

/** A dump that fails when the victim is frozen, for want of room for the images, leaves it undisturbed. */
export async function failedDump(t: TestContext, entry: VictimEntry, options: DumpOptions = {}) {
  const victim = await startVictim(t, entry);
  if (victim === undefined) return;
  const images = join(victim.dir, "images");
  const command = [process.execPath, asset("criu-wasm.cjs"), ...dumpCommand(victim, images, options)];
  const limited = ["-c", 'ulimit -f 1; exec "$@"', "sh", ...command];
  await assert.rejects(promisify(execFile)("sh", limited, { cwd: victim.dir }), /EFBIG/);
  assert.deepEqual(readdirSync(images), []);
  await expectUndisturbed(victim);
}

/** The dump is refused, by the name of what is in the way, and the victim runs on as if nothing had been. */
export async function expectRefusal(t: TestContext, entry: VictimEntry, options: DumpOptions = {}) {
  const victim = await startVictim(t, entry);
  if (victim === undefined) return;
  const result = await runCli(dumpCommand(victim, join(victim.dir, "images"), options), { cwd: victim.dir });
  assert.notEqual(result.status, 0, `${entry.name} was dumped although it holds something unsupported`);
  assert.match(result.stderr, entry.refusedAs ?? assert.fail(`${entry.name} is not one to be refused`));
  await expectUndisturbed(victim);
}
