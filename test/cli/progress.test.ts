/** What takes long says how far it is, and takes that away in the end. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { main } from "../../ts-host/cli/main.ts";
import { VERBS } from "../../ts-host/cli/verbs.ts";
import { pageOf, writeHandmade } from "../support/handmade.ts";
import { output } from "../support/in-process.ts";
import { temporaryDirectory } from "../support/samples.ts";

/**
 * Two checkpoints of 1,100 pages, the second of which continues the first; a store that a third has pages in; and an
 * image as JSON.
 */
function chain(t: TestContext): Record<"folder" | "first" | "second" | "store" | "json", string> {
  const folder = temporaryDirectory(t);
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  const pages = Array.from({ length: 1100 }, (_, page) => pageOf(`page ${page} `));
  writeHandmade(first, [{ pid: 5, mappings: [{ start: 0x10000n, pages }] }]);
  writeHandmade(second, [{ pid: 5, mappings: [{ start: 0x10000n, pages: [...pages] }] }]);
  symlinkSync("../first", join(second, "parent"));
  const store = join(folder, "store");
  const stored = { pid: 5, mappings: [{ start: 0x10000n, pages: pages.slice(0, 3) }] };
  writeHandmade(join(folder, "third"), [stored], "native", { store });
  const json = join(folder, "json");
  writeFileSync(
    json,
    '{"magic": "FS", "entries": [{"cwd_id": 1, "root_id": 2}, {"cwd_id": 1, "root_id": 2}]}',
  );
  return { folder, first, second, store, json };
}

/** Runs a verb as if each moment took an hour; the lines of status that it shows. */
async function shown(
  t: TestContext,
  args: string[],
): Promise<{ lines: string[]; status: number; errors: string }> {
  const lines: string[] = [];
  let errors = "";
  const now = process.hrtime.bind(process);
  t.mock.method(process, "hrtime", () => {
    const [seconds, nanoseconds] = now();
    return [seconds * 1e9 + nanoseconds, 0];
  });
  const { status } = await main(args, VERBS, {
    async print() {},
    complain(line) {
      errors += line;
    },
    status: (line) => void lines.push(line),
  });
  t.mock.restoreAll();
  return { lines, status, errors };
}

type Run = [name: string, args: (made: ReturnType<typeof chain>) => string[], line: RegExp];

const RUNS: Run[] = [
  ["validate", ({ first }) => ["-D", first], /^validate: \d+ %$/],
  ["search", ({ first }) => ["-D", first, "--text", "page 7 "], /^search: \d+ %$/],
  ["info", ({ first }) => [first], /^info: \d+ %$/],
  ["show", ({ first }) => [first, "--json"], /^show: 1 process$/],
  ["diff", ({ first, second }) => [first, second], /^diff: \d+ %$/],
  ["core", ({ first, folder }) => ["-D", first, "-o", join(folder, "core")], /^core of 5: \d+ %$/],
  [
    "mem",
    ({ first, folder }) => ["extract", "-D", first, "--at", "0x10000", "-o", join(folder, "raw")],
    /^mem extract: \d+ %$/,
  ],
  ["mem", ({ first }) => ["list", "-D", first], /^mem list: \d+ %$/],
  ["store", ({ store }) => ["stats", "--store", store], /^store stats: \d+ %$/],
  ["store", ({ store }) => ["gc", "--store", store], /^store gc: \d+ %$/],
  ["decode", ({ first }) => ["-i", join(first, "pagemap-5.img"), "-o", "/dev/null"], /^decode: .* of JSON$/],
  ["encode", ({ json, folder }) => ["-i", json, "-o", join(folder, "new")], /^encode: \d+ %$/],
  ...["ps", "fds", "mems", "rss", "sk"].map(
    (what): Run => ["x", ({ first }) => [first, what], new RegExp(`^x ${what}: \\d+ %$`)],
  ),
  ["preflight", ({ first }) => ["-D", first], /^preflight(, files)?: \d+ %$/],
  [
    "convert",
    ({ first, folder }) => ["--to", "native", "-D", first, "-o", join(folder, "new")],
    /^convert: \d+ %$/,
  ],
  ["compress", ({ first, folder }) => ["-D", first, "-o", join(folder, "new")], /^compress: \d+ %$/],
  ["decompress", ({ first, folder }) => ["-D", first, "-o", join(folder, "new")], /^decompress: \d+ %$/],
  ["squash", ({ second, folder }) => ["-D", second, "-o", join(folder, "new")], /^squash: \d+ %$/],
  [
    "scrub",
    ({ first, folder }) => ["-D", first, "-o", join(folder, "new"), "--text", "page"],
    /^scrub: \d+ %$/,
  ],
  [
    "rewrite",
    ({ first, folder }) => ["-D", first, "-o", join(folder, "new"), "--path", "/program=/other"],
    /^rewrite(, first look)?: \d+ %$/,
  ],
  ["dedup", ({ second }) => ["-D", second], /^dedup: \d+ %$/],
];

for (const [name, args, expected] of RUNS) {
  test(`${name} says how far it is`, async (t) => {
    const { lines, errors } = await shown(t, [name, ...args(chain(t))]);
    assert.equal(errors, "");
    assert.ok(lines.length >= 2, `${lines.length} lines`);
    for (const line of lines) if (line !== "") assert.match(line, expected);
    assert.equal(lines.at(-1), "", "it is taken away");
  });
}

test("store check says how far it is", async (t) => {
  const { folder, first } = chain(t);
  const store = join(folder, "store");
  await output("convert", "--to", "native", "-D", first, "-o", join(folder, "native"), "--store", store);
  const { lines, status } = await shown(t, ["store", "check", "--store", store]);
  assert.equal(status, 0);
  assert.deepEqual([lines[0], lines.at(-1)], ["store check: 0 %", ""]);
});

test("reading an archive says how far it is", async (t) => {
  const { folder, first } = chain(t);
  const archive = join(folder, "first.tar.gz");
  execFileSync("tar", ["-czf", archive, "-C", first, "."]);
  mkdirSync(join(folder, "out"));
  const { lines } = await shown(t, ["show", archive]);
  assert.match(lines[0], /^reading .*first\.tar\.gz: 100 %$/);
  assert.equal(lines.at(-1), "");
});

test("what is done at once says nothing", async (t) => {
  const lines: string[] = [];
  const { first } = chain(t);
  const { status } = await main(["validate", "-D", first], VERBS, {
    async print() {},
    complain() {},
    status: (line) => void lines.push(line),
  });
  assert.equal(status, 0);
  assert.deepEqual(lines, []);
});
