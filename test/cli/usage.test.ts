/** Options and help. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asset, packageFile } from "../../ts-host/assets.ts";
import { isCriuOption, withoutNegations } from "../../ts-host/cli/criu-options.ts";
import { SUMMARIES } from "../../ts-host/cli/verb-names.ts";
import { command, output } from "../support/in-process.ts";

const VERSION = JSON.parse(readFileSync(packageFile("package.json"), "utf8")).version;

test("version and list of verbs", async () => {
  for (const flag of ["--version", "-V"]) assert.equal(await output(flag), `${VERSION}\n`);
  const page = await output("--help");
  for (const [name, summary] of Object.entries(SUMMARIES))
    assert.match(page, new RegExp(`${name} +${summary}`));
});

test("every verb has a page of its own, as wide as a terminal", async () => {
  for (const name of Object.keys(SUMMARIES)) {
    for (const flag of ["--help", "-h"]) {
      const page = await output(name, flag);
      const titles = page.match(/^[A-Z ]+$/gm);
      assert.deepEqual(
        titles,
        ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"],
        name,
      );
      assert.match(page, new RegExp(`^NAME\n {4}criu-wasm ${name} - `));
      assert.ok(
        page.split("\n").every((line) => line.length <= 80),
        name,
      );
    }
  }
});

test("each part of a page says something: options what they do, examples only options that there are", async () => {
  for (const name of Object.keys(SUMMARIES)) {
    const page = await output(name, "--help");
    const part = (title: string) => new RegExp(`^${title}\\n(.*?)(?=\\n[A-Z]|$(?![^]))`, "ms").exec(page)![1];
    assert.match(part("SYNOPSIS"), new RegExp(`^ {4}criu-wasm ${name}\\b`), name);
    assert.ok(part("DESCRIPTION").trim().length > 40, name);
    assert.match(part("EXIT STATUS"), /\b0\b.*\b1\b/s, name);
    const options = part("OPTIONS").trim().split(/\n\n/);
    for (const option of options) assert.match(option, /^\s*-\S.*\n {8}\S/, `${name}: ${option}`);
    const known = new Set(
      options.flatMap((option) => option.split("\n")[0].match(/--[a-z-]+|-[a-zA-Z]\b/g) ?? []),
    );
    const examples = part("EXAMPLES")
      .split("\n")
      .filter((line) => /^ {4}\S/.test(line));
    assert.ok(
      examples.some((line) => line.includes(`criu-wasm ${name}`)),
      name,
    );
    for (const line of examples) {
      for (const command of line.split(/\||&&/).filter((each) => each.includes(`criu-wasm ${name}`))) {
        const flags = command.match(/(?<=\s)(--[a-z-]+|-[a-zA-Z])\b/g) ?? [];
        for (const flag of flags) assert.ok(known.has(flag), `${name} has no ${flag}: ${command}`);
      }
    }
  }
});

test("wrong usage: one sentence that leads on, status 1", async () => {
  const cases: [args: string[], sentence: RegExp][] = [
    [[], /a verb is required \(criu-wasm --help lists them\)/],
    [["frobnicate"], /unknown verb frobnicate/],
    [["toString"], /unknown verb toString/],
    [["pre-dump", "-t", "1"], /CRIU's pre-dump is not supported yet/],
    [["dump"], /dump: required option '-t, --tree <pid>' not specified \(criu-wasm dump --help/],
    [["dump", "-t", "one"], /argument 'one' is invalid. must be a positive number/],
    [["dump", "-t", "-1"], /must be a positive number/],
    [["dump", "-t", "1", "--ghost-limit", "1T"], /must be a size such as/],
    [["dump", "-t", "1", "--format", "tar"], /Allowed choices are native, criu/],
    [["dump", "-t", "1", "-R", "-s"], /cannot be used with/],
    [["dump", "-t", "1", "more"], /too many arguments/],
    [["dump", "-t", "1", "--frobnicate"], /unknown option '--frobnicate'/],
    [["restore", "-D"], /argument missing/],
  ];
  for (const [args, sentence] of cases) {
    const { status, stdout, stderr } = await command(...args);
    assert.equal(status, 1, args.join(" "));
    assert.match(stderr, sentence);
    assert.match(stderr, /^criu-wasm: .*\n$/);
    assert.equal(stdout.length, 0);
  }
});

test("options of CRIU's that do nothing yet are refused by their name", async () => {
  const flags = [
    "--tcp-close",
    "--action-script=x",
    "--lsm-profile",
    "--lazy-pages",
    "-x",
    "-Mauto",
    "--exec-cmd",
  ];
  for (const flag of flags) {
    const { status, stderr } = await command("restore", flag);
    assert.equal(status, 1);
    const name = flag.startsWith("--") ? flag.split("=")[0] : flag.slice(0, 2);
    assert.match(stderr, new RegExp(`restore: CRIU's option ${name}\\S* does nothing here yet`));
  }
  assert.ok(isCriuOption("--skip-in-flight") && isCriuOption("-J") && !isCriuOption("-q"));
});

test("--no-NAME takes NAME back, or says what is so anyway", () => {
  const args = ["--shell-job", "-t", "5", "--no-shell-job", "--no-tcp-close", "--no-default-config"];
  assert.deepEqual(withoutNegations(args), ["-t", "5", "--no-default-config"]);
});

test("options may come before the verb, as CRIU takes them", async () => {
  const { status, stderr } = await command("-D", "/nonexistent", "-v4", "restore");
  assert.equal(status, 1);
  assert.match(stderr, /^criu-wasm: restore: \/nonexistent: no such directory\n$/);
});

test("with --json a failure is told to machines, too; with -v0 to nobody", async () => {
  const { status, stdout, stderr } = await command("restore", "-D", "/nonexistent", "--json", "-v0");
  assert.equal(status, 1);
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout.toString()), {
    error: "restore: /nonexistent: no such directory",
    context: { file: "/nonexistent", phase: "restore" },
  });
});

test("verbs that look load neither koffi nor the shim", () => {
  const run = spawnSync(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `process.argv.splice(1, 1, "criu-wasm", "show", "test/data/criu-images/zoo");
       await import(${JSON.stringify(asset("criu-wasm.cjs"))});
       process.on("exit", () => {
         const loaded = process.report.getReport().sharedObjects.filter((name) => /koffi|shim/.test(name));
         console.error(loaded.length);
       });`,
    ],
    { encoding: "utf8" },
  );
  assert.equal(run.status, 0);
  assert.match(run.stdout, /4 processes/);
  assert.equal(run.stderr, "0\n");
});
