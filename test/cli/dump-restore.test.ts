/** The command line of dump and restore: log, pid file, exit status, what a signal and a terminal see. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Progress } from "../../ts-host/cli/progress.ts";
import { output } from "../support/in-process.ts";
import {
  CRIU_WASM,
  expectUndisturbed,
  mustRun,
  runCli,
  startVictim,
  taskState,
  type Victim,
  waitFor,
} from "../support/victim.ts";
import { type VictimEntry, victims } from "../victims/catalogue.ts";

const entryOf = (name: string) => victims.find((entry) => entry.name === name) as VictimEntry;

/** A dump of the victim; it runs on. */
async function dumped(victim: Victim, ...args: string[]): Promise<string> {
  const images = join(victim.dir, "images");
  await mustRun(["dump", "-t", String(victim.pid), "-D", images, "-R", ...args], victim.dir);
  return images;
}

for (const format of ["native", "criu"]) {
  test(`a checkpoint of ours is shown, ${format}`, async (t) => {
    const victim = await startVictim(t, entryOf("args-env-auxv"));
    if (!victim) return;
    const images = await dumped(victim, "--format", format);
    const { processes } = JSON.parse(await output("show", images, "--json"));
    assert.equal(processes.length, 1);
    const [shown] = processes;
    const cwd = victim.dir;
    assert.deepEqual([shown.pid, shown.state, shown.workingDirectory], [victim.pid, "running", cwd]);
    assert.deepEqual(shown.arguments.slice(1), ["first", "second \n argument"]);
    assert.equal(shown.descriptors.find(({ fd }: { fd: number }) => fd === 1).text, join(cwd, "output"));
    const info = JSON.parse(await output("info", images, "--json"));
    assert.deepEqual([info.format, info.processes, info.threads], [format, 1, 1]);
    assert.equal(info.pages.pages, shown.pages.stored);
    assert.match(await output("x", images, "ps"), new RegExp(`\n *${victim.pid} `));
    assert.match(await output("x", images, "fds"), new RegExp(`\t {6}1: ${join(cwd, "output")}\n`));
    const core = join(images, `core-${victim.pid}.img`);
    assert.equal(await output("show", core), await output("decode", "-i", core, "--pretty"));
    const encoded = join(victim.dir, "core.img");
    writeFileSync(join(victim.dir, "core.json"), await output("decode", "-i", core));
    await output("encode", "-i", join(victim.dir, "core.json"), "-o", encoded);
    assert.equal(await output("decode", "-i", encoded), await output("decode", "-i", core));
    await expectUndisturbed(victim);
  });
}

test("a dump says for machines how it went, and in which cgroups the task was", async (t) => {
  const victim = await startVictim(t, entryOf("counter"));
  if (!victim) return;
  const cgroups = readFileSync(`/proc/${victim.pid}/cgroup`, "utf8");
  const args = ["dump", "-t", String(victim.pid), "-D", join(victim.dir, "images"), "-R", "--json"];
  const report = JSON.parse((await mustRun(args, victim.dir)).stdout);
  assert.equal(report.pid, victim.pid);
  assert.ok(report.pagesWritten > 0 && report.frozenTime > 0);
  const lines = report.cgroups.map(({ controllers, path }: { controllers: string[]; path: string }) => {
    return `:${controllers.join(",")}:${path}`;
  });
  assert.deepEqual(lines, cgroups.trimEnd().replace(/^\d+/gm, "").split("\n"));
  await expectUndisturbed(victim);
});

test("log and pid file lie in the work directory; a failure is in the log as an Error", async (t) => {
  const victim = await startVictim(t, entryOf("counter"));
  if (!victim) return;
  const work = join(victim.dir, "work");
  mkdirSync(work);
  const files = ["-W", work, "-o", "a.log", "--pidfile", "a.pid", "-v4"];
  await dumped(victim, ...files);
  assert.equal(readFileSync(join(work, "a.pid"), "utf8"), String(victim.pid));
  const log = readFileSync(join(work, "a.log"), "utf8");
  assert.match(log, /^\(\d\d\.\d{6}\) dumped pid \d+: \d+ pages, frozen \d+ us\n/);
  assert.match(log, /^\(\d\d\.\d{6}\) its cgroups are left to the caller: .*\n$/m);
  const failed = await runCli(["restore", "-D", join(victim.dir, "images"), ...files]);
  assert.equal(failed.status, 1);
  assert.match(
    failed.stderr,
    /^criu-wasm: restore: pid \d+ \(counter\): its pid is taken by counter \(end that/,
  );
  assert.match(
    readFileSync(join(work, "a.log"), "utf8"),
    /^\(\d\d\.\d{6}\) Error: restore: pid .* is taken/m,
  );
  assert.ok(!existsSync(join(work, "a.pid")), "no pid file of a restore that failed");
  await expectUndisturbed(victim);
});

test("what cannot be written is said before the process is stopped", async (t) => {
  const victim = await startVictim(t, entryOf("counter"));
  if (!victim) return;
  const images = join(victim.dir, "images");
  const dump = ["dump", "-t", String(victim.pid), "-D", images];
  writeFileSync(join(victim.dir, "file"), "");
  for (const [args, message] of [
    [["--pidfile", "/nonexistent/pid"], /dump: \/nonexistent\/pid: open = ENOENT/],
    [["-o", "/nonexistent/log"], /dump: \/nonexistent\/log: open = ENOENT/],
    [["-W", "/nonexistent", "-o", "log"], /dump: \/nonexistent\/log: open = ENOENT/],
    [["-D", join(victim.dir, "file")], /dump: .*file/],
  ] as [string[], RegExp][]) {
    const { status, stderr } = await runCli([...dump, ...args]);
    assert.equal(status, 1, args.join(" "));
    assert.match(stderr, message);
  }
  assert.ok(!existsSync(join(images, "checkpoint.meta")));
  await expectUndisturbed(victim);
});

test("a checkpoint whose pages are in a store that has moved: where it is, is asked for and taken", async (t) => {
  const victim = await startVictim(t, entryOf("counter"));
  if (!victim) return;
  const images = join(victim.dir, "images");
  const [store, moved] = ["store", "moved"].map((name) => join(victim.dir, name));
  await mustRun(["dump", "-t", String(victim.pid), "-D", images, "--store", store], victim.dir);
  await victim.waitGone();
  assert.deepEqual(readdirSync(images), ["checkpoint.meta"]);
  renameSync(store, moved);
  const { status, stderr } = await runCli(["restore", "-d", "-D", images]);
  assert.equal(status, 1);
  assert.match(stderr, /restore: .*\/store\/packs\/[0-9a-f]{32}\.pack: no such file .*restore --store DIR/);
  assert.ok(!exists(victim.pid));
  await mustRun(["restore", "-d", "-D", images, "--store", moved], victim.dir);
  await expectUndisturbed(victim);
});

function started(args: string[]): { child: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(CRIU_WASM[0], [...CRIU_WASM.slice(1), ...args], { stdio: "ignore" });
  return { child, ended: new Promise((resolve) => child.once("exit", (code) => resolve(code))) };
}

/** Whether a process has that pid; a zombie is none. */
const exists = (pid: number) => ![undefined, "Z", "X"].includes(taskState(pid));

/** Runs the command and sends SIGINT when `isTime`; the status: 130 in time, null before or after, 0 too late. */
async function interrupted(args: string[], isTime: () => boolean): Promise<number | null> {
  const { child, ended } = started(args);
  let status: number | null | undefined;
  ended.then((code) => {
    status = code;
  });
  while (status === undefined && !isTime()) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill("SIGINT");
  return ended;
}

const ATTEMPTS = 10;

test("Ctrl-C during a dump: nothing is written, the process runs on", async (t) => {
  const victim = await startVictim(t, entryOf("pages-100k"));
  if (!victim) return;
  const images = join(victim.dir, "images");
  const begins = () =>
    existsSync(images) && readdirSync(images).some((name) => name.startsWith(".incomplete"));
  const dump = ["dump", "-t", String(victim.pid), "-D", images, "--leave-stopped"];
  // A dump that is faster than the signal is not what is to be seen here.
  for (let attempt = 1; ; attempt++) {
    const status = await interrupted(dump, begins);
    if (status === 130) break;
    assert.ok(!status && attempt < ATTEMPTS, `status ${status}`);
    process.kill(victim.pid, "SIGCONT");
    spawnSync("rm", ["-r", images]);
  }
  assert.ok(!existsSync(images), "the directory that the dump has made is gone");
  await expectUndisturbed(victim);
});

test("Ctrl-C during a restore: no process is left, and the checkpoint is as it was", async (t) => {
  const victim = await startVictim(t, entryOf("pages-100k"));
  if (!victim) return;
  const images = join(victim.dir, "images");
  await mustRun(["dump", "-t", String(victim.pid), "-D", images], victim.dir);
  await victim.waitGone();
  const begins = () => exists(victim.pid);
  for (let attempt = 1; ; attempt++) {
    const status = await interrupted(["restore", "-d", "-D", images], begins);
    if (status === 130) break;
    assert.ok(!status && attempt < ATTEMPTS, `status ${status}`);
    if (exists(victim.pid)) process.kill(victim.pid, "SIGKILL");
    await victim.waitGone();
  }
  await waitFor(
    () => `pid ${victim.pid} is left behind`,
    () => !exists(victim.pid),
  );
  await mustRun(["restore", "-d", "-D", images], victim.dir);
  await expectUndisturbed(victim);
});

test("restore waits for the end of the process unless it is told to detach", async (t) => {
  const victim = await startVictim(t, entryOf("counter"));
  if (!victim) return;
  const images = join(victim.dir, "images");
  await mustRun(["dump", "-t", String(victim.pid), "-D", images], victim.dir);
  await victim.waitGone();
  const { child, ended } = started(["restore", "-D", images]);
  await waitFor(
    () => "the victim is not back",
    () => victim.isAlive() && taskState(victim.pid) === "R",
  );
  assert.equal(child.exitCode, null);
  victim.go();
  await victim.expectPass();
  assert.equal(await ended, 0);
});

test("progress: nothing at first, then a line that is replaced, and at the end none", async () => {
  const lines: string[] = [];
  const terminal = {
    print: async () => {},
    complain: () => {},
    status: (line: string) => void lines.push(line),
  };
  const progress = new Progress(terminal);
  progress.show(() => "too early");
  assert.deepEqual(lines, []);
  await waitFor(
    () => "no progress is shown",
    () => {
      progress.show(() => "half");
      return lines.length > 1;
    },
  );
  progress.end();
  assert.deepEqual([new Set(lines.slice(0, -1)), lines.at(-1)], [new Set(["half"]), ""]);
  new Progress({ ...terminal, status: undefined }).show(() => assert.fail("nobody looks"));
});

test("on a terminal a long dump says how far it is", async (t: TestContext) => {
  if (spawnSync("script", ["--version"]).status !== 0)
    return t.skip("script, which makes a terminal, is missing");
  const victim = await startVictim(t, entryOf("pages-100k"));
  if (!victim) return;
  const command = [...CRIU_WASM, "dump", "-t", String(victim.pid), "-R", "--format", "criu", "-D"].join(" ");
  // The second and later dumps are not slower than the first; one that takes under half a second shows nothing.
  const dumps = Array.from(
    { length: 3 },
    (_, number) => `${command} ${join(victim.dir, `images.${number}`)}`,
  );
  const { stdout } = spawnSync("script", ["-qec", dumps.join(" && "), "/dev/null"], { encoding: "utf8" });
  const shown = stdout.split("\r\x1b[K").filter((line) => line !== "");
  if (shown.length === 0) return t.skip("this machine dumps 400 MB in half a second");
  for (const line of shown)
    assert.match(line, /^dump: \d+\.\d [MG]B of \d+\.\d [MG]B of memory$|^dump: 0 bytes of/);
  await expectUndisturbed(victim);
});
