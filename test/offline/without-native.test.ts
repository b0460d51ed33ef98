/**
 * All that works on images works without anything native: a copy of the package without shim and koffi, run by a user
 * without privileges.
 */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { packageFile } from "../../ts-host/assets.ts";
import { pageOf, pageWith, writeHandmade } from "../support/handmade.ts";
import { assertSameBytes } from "../support/pages.ts";
import { SAMPLES } from "../support/samples.ts";

/** Whoever that is: it may write in its own directory only, and freeze or restore nothing. */
const NOBODY = 65534;

const place = mkdtempSync(join(tmpdir(), "criu-wasm-portable-"));
const work = join(place, "work");
const small = join(place, "small");
const zoo = resolve(SAMPLES, "zoo");
after(() => rmSync(place, { recursive: true, force: true }));

before(() => {
  chmodSync(place, 0o755);
  cpSync(packageFile("dist"), join(place, "package/dist"), { recursive: true });
  cpSync(packageFile("package.json"), join(place, "package/package.json"));
  rmSync(join(place, "package/dist/shim"), { recursive: true, force: true });
  cpSync(zoo, join(place, "zoo"), { recursive: true });
  mkdirSync(work);
  chmodSync(work, 0o777);
  const pages = [pageOf("one"), pageWith("hunter2", 100), "zero"] as const;
  writeHandmade(small, [{ pid: 5, mappings: [{ start: 0x10000n, pages: [...pages] }] }]);
  for (const name of readdirSync(small)) chmodSync(join(small, name), 0o644);
});

function run(args: readonly string[]): SpawnSyncReturns<Buffer> {
  const who = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  return spawnSync(process.execPath, args, { cwd: work, env: {}, timeout: 60_000, ...who });
}

function verb(...args: string[]): string {
  const { status, stdout, stderr } = run([join(place, "package/dist/criu-wasm.cjs"), ...args]);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  assert.equal(stderr.toString(), "");
  return stdout.toString();
}

const json = (...args: string[]) => JSON.parse(verb(...args, "--json"));
const inWork = (name: string) => join(work, name);

test("looking: show, info, x, decode, encode", () => {
  assert.match(
    verb("show", join(place, "zoo")),
    /4 processes\n\n7478 python3 \(running, 4 threads, user 0\)/,
  );
  const { format, processes, threads } = json("info", join(place, "zoo"));
  assert.deepEqual([format, processes, threads], ["criu", 4, 7]);
  assert.match(verb("x", join(place, "zoo"), "ps"), /^ {4}PID {3}PGID {4}SID {3}COMM\n {3}7478 {3}7478/);
  const image = join(place, "zoo/core-7478.img");
  verb("decode", "-i", image, "-o", inWork("core.json"));
  verb("encode", "-i", inWork("core.json"), "-o", inWork("core.img"));
  assertSameBytes(readFileSync(inWork("core.img")), readFileSync(image));
});

test("checking: validate, preflight, diff", () => {
  assert.equal(verb("validate", "-D", small), "0 errors, 0 warnings\n");
  assert.deepEqual(json("validate", "-D", small), { valid: true, errors: 0, warnings: 0, findings: [] });
  const facts = JSON.parse(verb("preflight", "-D", small, "--facts"));
  writeFileSync(inWork("facts.json"), JSON.stringify({ ...facts, files: {}, tasks: { 5: "other" } }));
  const { status, stdout } = run([
    join(place, "package/dist/criu-wasm.cjs"),
    ...["preflight", "-D", small, "--host", inWork("facts.json")],
  ]);
  assert.equal(status, 1);
  assert.match(stdout.toString(), /error: pid: 5 is taken by other\n/);
  assert.equal(verb("diff", small, small), "no difference in 1 process\n");
});

test("memory: mem, search, scrub, core", () => {
  const { mappings } = json("mem", "-D", small);
  assert.deepEqual(
    [mappings[0].start, mappings[0].stored, mappings[0].zero, mappings[0].outside],
    ["0x10000", "0x2000", "0x1000", "0x0"],
  );
  assert.match(
    verb("mem", "hexdump", "-D", small, "--at", "0x10000", "--length", "16"),
    /\|oneoneoneoneoneo\|\n$/,
  );
  verb("mem", "extract", "-D", small, "--at", "0x10000", "--length", "4096", "-o", inWork("page"));
  assertSameBytes(readFileSync(inWork("page")), pageOf("one"));
  const found = JSON.parse(verb("search", "-D", small, "--text", "hunter2", "--json"));
  assert.deepEqual([found.pid, found.address, found.length], [5, "0x11064", 7]);
  assert.equal(json("scrub", "-D", small, "-o", inWork("scrubbed"), "--text", "hunter2").inMemory, 1);
  assert.equal(verb("diff", inWork("scrubbed"), inWork("scrubbed")), "no difference in 1 process\n");
  assert.equal(json("core", "-D", small, "-p", "5", "-o", inWork("core")).threads, 1);
  assert.equal(readFileSync(inWork("core")).toString("latin1", 1, 4), "ELF");
});

test("writing: convert, compress, decompress, squash, dedup, rewrite", () => {
  verb("convert", "--to", "native", "-D", small, "-o", inWork("native"));
  verb("convert", "--to", "criu", "-D", inWork("native"), "-o", inWork("criu"));
  verb("compress", "-D", small, "-o", inWork("compressed"));
  verb("decompress", "-D", inWork("compressed"), "-o", inWork("decompressed"));
  verb("squash", "-D", small, "-o", inWork("squashed"));
  for (const copy of ["criu", "decompressed"]) {
    for (const name of readdirSync(small))
      assertSameBytes(
        readFileSync(join(inWork(copy), name)),
        readFileSync(join(small, name)),
        `${copy} ${name}`,
      );
  }
  assert.equal(verb("diff", small, inWork("squashed")), "no difference in 1 process\n");
  assert.deepEqual(json("dedup", "-D", inWork("squashed")), { pages: 0, checkpoints: 0 });
  const { edits } = json("rewrite", "-D", small, "-o", inWork("rewritten"), "--path", "/program=/moved");
  assert.deepEqual(
    edits.map(({ before, after }: Record<string, string>) => [before, after]),
    [["/program", "/moved"]],
  );
});

test("the library", () => {
  const script = `
    import { openPath, search, textPattern, validate } from ${JSON.stringify(join(place, "package/dist/offline.mjs"))};
    const checkpoint = await openPath(${JSON.stringify(small)});
    const [{ address }] = [...search(checkpoint, textPattern("hunter2"))].filter((step) => "address" in step);
    console.log(checkpoint.root.name, address.toString(16), [...validate(checkpoint)].length);`;
  const { stdout, stderr } = run(["--input-type=module", "-e", script]);
  assert.equal(stdout.toString(), "handmade 11064 0\n", stderr.toString());
});

test("what freezes and restores says what it lacks, and what works all the same", () => {
  for (const args of [["dump", "-t", "1", "-D", inWork("images")], ["restore", "-D", small], ["check"]]) {
    const { status, stderr } = run([join(place, "package/dist/criu-wasm.cjs"), ...args]);
    assert.equal(status, 1);
    assert.match(
      stderr.toString(),
      /needs koffi, .*\(it is an npm package; image files can be worked on without it\)/,
    );
  }
});
