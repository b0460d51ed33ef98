/**
 * A checkpoint of a CPython process in each format, and a second one of it a little later: what `criu-wasm bench`
 * measures of anybody's own. Draws .github/bench.svg.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asset, packageFile } from "../ts-host/assets.ts";
import { encodingTable, formatTable } from "../ts-host/cli/bench.ts";
import { openCheckpoint } from "../ts-host/images/open.ts";
import { measureFormats } from "../ts-host/offline/bench/formats.ts";
import { measureMetadata } from "../ts-host/offline/bench/metadata.ts";
import { plotFormats } from "../ts-host/offline/bench/plot.ts";

/** What a service in Python may hold; on SIGUSR1, every thirtieth of its records gets another value. */
const PROGRAM = `
import os, signal
os.closerange(3, 1024)
users = {i: {"id": i, "name": "user %d" % i, "mail": "u%d@example.org" % i, "score": i * 1.5} for i in range(300000)}
def change(*_):
    for i in range(0, 10000): users[i]["score"] += 1
    print("changed", flush=True)
signal.signal(signal.SIGUSR1, change)
print("ready", flush=True)
while True: signal.pause()
`;

function dump(pid: number, directory: string): void {
  const args = [asset("criu-wasm.cjs"), "dump", "-t", `${pid}`, "-D", directory, "-R"];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

const DEADLINE_MS = 60_000;

async function untilSaid(log: string, word: string): Promise<void> {
  const began = performance.now();
  while (!(existsSync(log) && readFileSync(log, "utf8").includes(word))) {
    if (performance.now() - began > DEADLINE_MS) throw new Error(`the program has not said "${word}"`);
    await sleep(20);
  }
}

/** Skips what needs root on Linux, and python3. */
export async function benchFormats(): Promise<void> {
  if (process.platform !== "linux" || process.getuid!() !== 0) {
    console.log("formats: a process is dumped: needs root on Linux");
    return;
  }
  if (spawnSync("python3", ["--version"]).status !== 0) {
    console.log("formats: needs python3");
    return;
  }
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "criu-wasm-bench-"));
  const log = join(folder, "log");
  const child = spawn("sh", ["-c", 'exec setsid python3 -c "$0" </dev/null >"$1" 2>&1', PROGRAM, log], {
    stdio: "ignore",
  });
  try {
    await untilSaid(log, "ready");
    const [first, later] = [join(folder, "first"), join(folder, "later")];
    dump(child.pid!, first);
    process.kill(child.pid!, "SIGUSR1");
    await untilSaid(log, "changed");
    dump(child.pid!, later);
    const work = join(folder, "work");
    mkdirSync(work);
    const steps = measureFormats(first, later, work);
    let step = steps.next();
    while (!step.done) step = steps.next();
    const { pageBytes, rows } = step.value;
    const megabytes = (pageBytes / 1e6).toFixed(0);
    console.log(`formats: CPython, ${megabytes} MB of pages\n${formatTable(rows)}`);
    const plot = plotFormats(`A checkpoint of CPython, ${megabytes} MB of pages, one thread`, rows);
    writeFileSync(packageFile(".github/bench.svg"), plot);
    const reader = openCheckpoint(first);
    const metadata = measureMetadata(reader);
    reader.close();
    console.log(`${metadata.messages} messages\n${encodingTable(metadata.rows)}`);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}
