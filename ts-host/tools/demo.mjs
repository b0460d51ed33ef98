#!/usr/bin/env node
/**
 * npm run demo: a CPython that counts in five threads and writes to a file is frozen, is gone, comes back,
 * and goes on where it was.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const cli = join(dirname(fileURLToPath(import.meta.url)), "../../dist/criu-wasm.cjs");

const PROGRAM = `
import os, sys, threading, time
os.closerange(3, 1024)
out = open(sys.argv[1], "a", buffering=1)
counts = [0] * 4
def work(n):
    while True:
        counts[n] += 1
        time.sleep(0.001)
for n in range(4):
    threading.Thread(target=work, args=(n,), daemon=True).start()
beat = 0
while True:
    beat += 1
    out.write(f"{beat} {time.monotonic_ns()} {id(counts)} {counts}\\n")
    time.sleep(0.002)
`;

class Failure extends Error {}

function fail(sentence) {
  throw new Failure(sentence);
}

function criuWasm(...args) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, "--json"], {
    encoding: "utf8",
  });
  if (status !== 0) fail(`criu-wasm ${args[0]} failed: ${stderr.trim()}`);
  return { milliseconds: performance.now() - began, ...JSON.parse(stdout.trim().split("\n").at(-1)) };
}

function lines(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n");
}

/** The longest time between two beats, in ms, among lines from number `first` on. */
function longestGap(file, first) {
  const times = lines(file)
    .slice(Math.max(0, first - 1))
    .map((line) => Number(BigInt(line.split(" ")[1]) / 1000n) / 1000);
  return Math.max(...times.slice(1).map((time, index) => time - times[index]));
}

function folderSize(folder) {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

const say = (text) => process.stdout.write(`${text}\n`);
const shown = (ms) => `${ms.toFixed(1)} ms`;

if (spawnSync("python3", ["--version"]).status !== 0) {
  process.stderr.write("demo: python3 is not installed: it is the program that is frozen here\n");
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "criu-wasm-demo-"));
const out = join(folder, "beats");
const images = join(folder, "images");
const nothing = openSync("/dev/null", "r+");
const python = spawn("python3", ["-c", PROGRAM, out], { detached: true, stdio: [nothing, nothing, nothing] });
const { pid } = python;
try {
  await sleep(1000);
  say(`A python3 counts in 5 threads: pid ${pid}`);
  say(`  ${lines(out).at(-1)}`);

  const first = lines(out).length;
  const snapshot = criuWasm("dump", "-t", String(pid), "-D", join(folder, "snapshot"), "-R");
  await sleep(100);
  say(
    `Snapshot of it while it runs (dump -R): ${shown(snapshot.milliseconds)} in all, frozen ${shown(snapshot.frozenTime / 1000)};`,
  );
  say(`  its own heartbeat of 2 ms saw a gap of ${shown(longestGap(out, first))}`);

  const dumped = criuWasm("dump", "-t", String(pid), "-D", images);
  for (let tries = 0; existsSync(`/proc/${pid}`) && tries < 100; tries++) await sleep(20);
  if (existsSync(`/proc/${pid}`)) fail(`pid ${pid} is still there after its dump`);
  const last = lines(out).at(-1);
  say(
    `Dumped: ${shown(dumped.milliseconds)}, ${(folderSize(images) / 1e6).toFixed(1)} MB of images for ${((dumped.pagesWritten * 4096) / 1e6).toFixed(1)} MB of memory`,
  );
  say(`  pid ${pid} is gone; its last words: ${last}`);

  const restored = criuWasm("restore", "-d", "-D", images);
  await sleep(500);
  const now = lines(out).at(-1);
  say(`Restored: ${shown(restored.milliseconds)}, pid ${restored.pid} again`);
  say(`  ${now}`);
  const [before, after] = [last, now].map((line) => ({
    beat: Number(line.split(" ")[0]),
    id: line.split(" ")[2],
  }));
  if (!(after.beat > before.beat) || after.id !== before.id) fail("the program did not go on where it was");
  say(
    `It went on from beat ${before.beat} to ${after.beat}: same objects at the same addresses, nothing lost.`,
  );
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  try {
    process.kill(pid, "SIGKILL");
  } catch {}
  rmSync(folder, { recursive: true, force: true });
}
