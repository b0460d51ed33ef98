#!/usr/bin/env node
/**
 * `npm test`, `npm run demo`, `npm run bench`: each enough by itself on a fresh clone.
 * Checks what is needed, installs and builds what is missing, then runs. Uses nothing but Node itself.
 *   node ts-host/tools/run.mjs test [NAME ...]    only tests whose file name contains a NAME
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const [what, ...names] = process.argv.slice(2);
process.chdir(root);

/** Of a test, and of a file of tests: reached only by one that hangs. */
const TEST_LIMIT_MS = 20 * 60_000;

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function run(program, args) {
  const { status, signal } = spawnSync(program, args, { stdio: "inherit" });
  if (status !== 0) process.exit(signal ? 1 : (status ?? 1));
}

function install() {
  const stamp = "node_modules/.package-lock.json";
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync("package-lock.json").mtimeMs) return;
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
}

function testFiles() {
  return readdirSync("build/test", { recursive: true })
    .filter((name) => name.endsWith(".test.mjs"))
    .filter((name) => names.length === 0 || names.some((wanted) => name.includes(wanted)))
    .map((name) => join("build/test", name))
    .sort();
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`${what}: Node.js 20 or newer is needed, this is ${process.versions.node}`);
}
if (what === "demo") {
  if (process.platform !== "linux" || process.arch !== "x64")
    fail("demo: needs x86-64 Linux: it freezes and restores a process");
  if (process.getuid() !== 0)
    fail(
      "demo: needs root: restoring a process under its old pid takes CAP_CHECKPOINT_RESTORE; run it with sudo",
    );
}
install();

const node = process.execPath;
switch (what) {
  case "test": {
    run(node, ["ts-host/tools/build.mjs", "--tests"]);
    if (names.length === 0) {
      run(node, ["node_modules/typescript/bin/tsc", "--noEmit"]);
      run(node, ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "ts-host/view"]);
      run("node_modules/.bin/biome", ["check", "."]);
    }
    const options = ["--test-concurrency=2", `--test-timeout=${TEST_LIMIT_MS}`];
    run(node, ["--enable-source-maps", "--test", ...options, ...testFiles()]);
    break;
  }
  case "demo":
    run(node, ["ts-host/tools/build.mjs"]);
    run(node, ["ts-host/tools/demo.mjs"]);
    break;
  case "bench":
    run(node, ["ts-host/tools/build.mjs", "--bench"]);
    run(node, ["--enable-source-maps", "build/bench/main.bench.mjs", ...names]);
    break;
  case "fuzz":
    run(node, ["ts-host/tools/build.mjs", "--fuzz"]);
    run(node, ["--enable-source-maps", "build/fuzz/main.fuzz.mjs", ...names]);
    break;
  default:
    fail("usage: run.mjs test|demo|bench|fuzz [NAME ...]");
}
