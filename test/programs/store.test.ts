/** Two checkpoints of one CPython in a store: the second brings what has changed, and both come back. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { sizeOf } from "../../ts-host/offline/bench/formats.ts";
import { hasProgram, startProgram } from "../support/program.ts";
import { mustRun, waitFor } from "../support/victim.ts";

const MEGABYTES = 500;

/**
 * Half of its memory is text, half of it is random. On SIGUSR1 it changes a byte in every 33rd page, which are 3 %
 * of them; on SIGUSR2 it says what all of it amounts to.
 */
const PROGRAM = `
import hashlib, os, random, signal
os.closerange(3, 1024)
def say(word):
    with open("said", "a") as file: file.write(word + "\\n")
def megabyte(number):
    if number % 2: return random.Random(number).randbytes(1 << 20)
    return b"".join(b"%012d: what a program remembers, line after line\\n" % (number << 20 | line) for line in range(18000))
memory = bytearray(b"".join(megabyte(number) for number in range(${MEGABYTES})))
def change(*_):
    for at in range(100, len(memory), 33 * 4096): memory[at] ^= 0x55
    say("changed")
signal.signal(signal.SIGUSR1, change)
signal.signal(signal.SIGUSR2, lambda *_: say(hashlib.sha256(memory).hexdigest()))
say("ready")
while True: signal.pause()
`;

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "store-python-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test("500 MB of CPython, 3 % of it changed: both checkpoints take less than 1.06 of one", async (t) => {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !hasProgram("python3"))
    return t.skip("needs x86-64 Linux, root and python3");
  const folder = temporaryDirectory(t);
  const said = join(folder, "said");
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  writeFileSync(join(folder, "program.py"), `import os\nos.chdir(${JSON.stringify(folder)})\n${PROGRAM}`);
  const pid = startProgram(t, python.stdout.trim(), [join(folder, "program.py")], join(folder, "output"));
  t.after(() => spawnSync("kill", ["-9", `${pid}`]));
  const words = () => (existsSync(said) ? readFileSync(said, "utf8").split("\n").slice(0, -1) : []);
  const next = async (signal?: NodeJS.Signals) => {
    const before = words().length;
    if (signal !== undefined) process.kill(pid, signal);
    return waitFor(
      () => `a word after ${words()}: ${readFileSync(join(folder, "output"), "utf8")}`,
      () => words()[before],
    );
  };
  const dump = (name: string, ...more: string[]) =>
    mustRun(["dump", "-t", `${pid}`, "-D", name, "--store", "store", ...more], folder);
  await next();
  const before = await next("SIGUSR2");
  await dump("first", "-R");
  const one = sizeOf(join(folder, "store")) + sizeOf(join(folder, "first"));
  await next("SIGUSR1");
  const after = await next("SIGUSR2");
  assert.notEqual(after, before);
  await dump("second");
  const both = sizeOf(join(folder, "store")) + sizeOf(join(folder, "first")) + sizeOf(join(folder, "second"));
  assert.ok(both < 1.06 * one, `${both} bytes for both, ${one} for one: ${(both / one).toFixed(3)}`);
  t.diagnostic(`both take ${(both / one).toFixed(3)} of one`);
  for (const [name, sum] of [
    ["second", after],
    ["first", before],
  ]) {
    await mustRun(["restore", "-D", name, "-d"], folder);
    assert.equal(await next("SIGUSR2"), sum, name);
    process.kill(pid, "SIGKILL");
  }
});
