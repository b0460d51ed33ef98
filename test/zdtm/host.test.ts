/**
 * CRIU's own test suite, host flavour, with this program in CRIU's place. It needs a CRIU source tree with
 * the tests built: CRIU_SOURCE=/path npm test -- zdtm. ZDTM=NAME,NAME runs only those; PYTHON names the
 * interpreter that has the protobuf module.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { asset, packageFile } from "../../ts-host/assets.ts";

const { CRIU_SOURCE, ZDTM, PYTHON = "python3" } = process.env;
/** zdtm gives a command of the binary one minute, and there are two. */
const DEADLINE_MS = 180_000;

function listed(): string[] {
  return readFileSync(packageFile("test/zdtm/host.list"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

interface Outcome {
  name: string;
  passed: boolean;
  /** What our log or the suite says of a failure. */
  reason: string;
}

/** The most telling line: what our log calls an error, else where the suite says that it failed. */
function reasonOf(output: string): string {
  const [ours] = output.match(/Error: .*?(?=['"]?$)/m) ?? [];
  const [, suite] = output.match(/FAIL at (.*?) #*$/m) ?? [];
  const [test] = output.match(/FAIL: .*/) ?? [];
  return [suite, ours ?? test].filter((part) => part !== undefined).join(": ") || "ended without a verdict";
}

function runZdtm(source: string, binary: string, name: string): Promise<Outcome> {
  const args = ["zdtm.py", "run", "-t", `zdtm/${name}`, "-f", "h", "--criu-bin", binary];
  const options = {
    cwd: join(source, "test"),
    env: { ...process.env, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) },
    timeout: DEADLINE_MS,
    maxBuffer: 1 << 26,
  };
  return new Promise((resolve) => {
    const child = execFile(PYTHON, args, options, (error, stdout, stderr) => {
      const output = stdout + stderr;
      const passed = error === null && output.includes(`Test zdtm/${name} PASS`);
      resolve({ name, passed, reason: passed ? "" : reasonOf(output) });
    });
    child.stdin?.end();
  });
}

/** Why the suite cannot be run, if it cannot. */
function obstacle(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "not x86-64 Linux";
  if (!CRIU_SOURCE) return "CRIU_SOURCE names no source tree of CRIU with its tests built";
  if (!existsSync(join(CRIU_SOURCE, "test/zdtm/static/env00")))
    return `the tests of ${CRIU_SOURCE} are not built`;
  if (process.getuid?.() !== 0) return "not root";
  return undefined;
}

const skip = obstacle();

describe("zdtm, host flavour", { skip, concurrency: 2 }, () => {
  if (skip !== undefined || !CRIU_SOURCE) return;
  const folder = mkdtempSync(join(tmpdir(), "zdtm-"));
  const binary = join(folder, "criu");
  // Under this name it writes CRIU's format, which the suite reads page counts from.
  symlinkSync(asset("criu-wasm.cjs"), binary);
  const outcomes: Outcome[] = [];

  for (const name of ZDTM?.split(",") ?? listed()) {
    test(name, async () => {
      const outcome = await runZdtm(CRIU_SOURCE, binary, name);
      outcomes.push(outcome);
      assert.ok(outcome.passed, outcome.reason);
    });
  }

  after(() => {
    rmSync(folder, { recursive: true });
    const width = Math.max(...outcomes.map(({ name }) => name.length));
    outcomes.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, passed, reason } of outcomes)
      console.log(`${name.padEnd(width)}  ${passed ? "pass" : "FAIL"}  ${reason}`.trimEnd());
    console.log(`${outcomes.filter(({ passed }) => passed).length} of ${outcomes.length} pass`);
  });
});
