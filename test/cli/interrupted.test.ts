/** Ctrl-C, in the middle of each verb that takes long: it ends at once, and what it was writing is gone. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { asset } from "../../ts-host/assets.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { copyCheckpoint } from "../../ts-host/offline/copy.ts";
import { pageOf, writeHandmade } from "../support/handmade.ts";
import { writeManyProcesses } from "../support/many-processes.ts";
import { changeImage, temporaryDirectory } from "../support/samples.ts";
import { waitFor } from "../support/victim.ts";

const place = mkdtempSync(join(tmpdir(), "criu-wasm-interrupted-"));
after(() => rmSync(place, { recursive: true, force: true }));
const large = join(place, "large");
/** 2 GiB, none of which takes room: long enough to be interrupted. */
const PAGES = 2 ** 19;

/** A checkpoint of one process with so many pages, which are holes in their file. */
function writeLarge(directory: string, entries: number): void {
  writeHandmade(directory, [{ pid: 5, mappings: [{ start: 0x10000n, pages: [pageOf("first")] }] }]);
  changeImage(directory, { kind: "MM", id: 5 }, ([{ message }]) => {
    message.vmas[0].end = message.vmas[0].start + BigInt(PAGES) * 4096n;
  });
  changeImage(directory, { kind: "PAGEMAP", id: 5 }, (records) => {
    const [head, first] = records;
    const count = PAGES / entries;
    const each = Array.from({ length: entries }, (_, index) => ({
      message: { ...first.message, vaddr: 0x10000n + BigInt(index * count) * 4096n, nr_pages: BigInt(count) },
    }));
    records.length = 0;
    for (const record of [head, ...each]) records.push(record);
  });
  truncateSync(join(directory, "pages-5.img"), PAGES * 4096);
}

before(() => writeLarge(large, 1));

/** Everything in a directory, however deep. */
const everything = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();

/** Whether the process has it in hand what a signal does: Node itself does not look at this one. */
function catchesHangups(pid: number): boolean {
  const [, caught] = /^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))!;
  return (BigInt(`0x${caught}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n;
}

/**
 * Runs a verb in `work`, interrupts it when it is time, by default when something is there that was not, and looks at
 * what is left.
 */
async function interrupt(
  work: string,
  args: string[],
  isTime: (pid: number, was: string[]) => boolean = (_, was) => everything(work).length > was.length,
): Promise<void> {
  const was = everything(work);
  const errors = openSync(join(place, "errors"), "w");
  const child = spawn(process.execPath, [asset("criu-wasm.cjs"), ...args], {
    cwd: work,
    stdio: ["ignore", "ignore", errors],
  });
  let end: number | null | undefined;
  const ended = once(child, "exit").then(([code]) => {
    end = code as number | null;
  });
  await waitFor(
    () => `${args[0]} does not begin`,
    () => end !== undefined || isTime(child.pid!, was),
  );
  child.kill("SIGINT");
  await ended;
  const said = readFileSync(join(place, "errors"), "utf8");
  assert.equal(end, 128 + constants.signals.SIGINT, `${args[0]}: ${said}`);
  assert.equal(said, "");
  assert.deepEqual(everything(work), was);
}

const VERBS: [what: string, args: string[]][] = [
  ["convert to criu", ["convert", "--to", "criu", "-D", large, "-o", "out"]],
  ["convert to native", ["convert", "--to", "native", "-D", large, "-o", "out"]],
  ["compress", ["compress", "-D", large, "-o", "out"]],
  ["decompress", ["decompress", "-D", large, "-o", "out"]],
  ["squash", ["squash", "-D", large, "-o", "out"]],
  ["rewrite", ["rewrite", "-D", large, "-o", "out", "--path", "/program=/other"]],
  ["scrub", ["scrub", "-D", large, "-o", "out", "--text", "x"]],
  ["core", ["core", "-D", large, "-o", "core"]],
  ["mem extract", ["mem", "extract", "-D", large, "--at", "0x10000", "-o", "raw"]],
];

for (const [what, args] of VERBS) test(`${what}`, (t) => interrupt(temporaryDirectory(t), args));

test("decode into a file", async (t) => {
  const many = join(temporaryDirectory(t), "many");
  writeLarge(many, PAGES);
  await interrupt(temporaryDirectory(t), [
    "decode",
    "--pretty",
    "-i",
    join(many, "pagemap-5.img"),
    "-o",
    "json",
  ]);
});

test("verbs that only read, encode, and looking after a store", {
  skip: process.platform !== "linux" && "needs /proc",
}, async (t) => {
  const work = temporaryDirectory(t);
  writeManyProcesses(join(work, "many"), 300, 1);
  const [checkpoint, store] = [join(work, "one"), join(work, "store")];
  writeManyProcesses(checkpoint, 100, 1, "native", { store });
  for (let more = 0; more < 100; more++)
    linkSync(join(checkpoint, "checkpoint.meta"), join(store, "checkpoints", `${more}.meta`));
  const entries = Array(60_000).fill('{"id": 1, "flags": "", "type": "REG", "fd": 1}');
  writeFileSync(join(work, "json"), `{"magic": "FDINFO", "entries": [${entries.join()}]}`);
  for (const args of [
    ["x", "many", "mems"],
    ["mem", "list", "-D", "many"],
    ["preflight", "-D", "many"],
    ["encode", "-i", "json", "-o", "image"],
    ["store", "stats", "--store", store],
    ["store", "gc", "--store", store],
  ])
    await interrupt(work, args, catchesHangups);
});

test("dedup: the pages of the earlier checkpoint are as they were", async (t) => {
  const work = temporaryDirectory(t);
  writeLarge(join(work, "first"), 1);
  writeHandmade(join(work, "second"), [{ pid: 5, mappings: [{ start: 0x10000n, pages: [pageOf("new")] }] }]);
  symlinkSync("../first", join(work, "second/parent"));
  await interrupt(work, ["dedup", "-D", "second"]);
  const reader = openCheckpoint(join(work, "first"));
  reader.pages(5).read(0, 1, (page) => assert.deepEqual(Buffer.from(page), Buffer.from(pageOf("first"))));
  reader.close();
});

test("compress, when it comes to compressing", (t) => {
  const work = temporaryDirectory(t);
  const [small, out] = [join(work, "small"), join(work, "out")];
  cpSync(large, small, { recursive: true, filter: (path) => !path.endsWith("pages-5.img") });
  writeHandmade(small, [
    { pid: 5, mappings: [{ start: 0x10000n, pages: Array.from({ length: 600 }, () => pageOf("abc")) }] },
  ]);
  const reader = openCheckpoint(small);
  const steps = copyCheckpoint(reader, createCheckpoint(out, "criu", { compress: "lz4" }));
  const isCompressing = () => existsSync(out) && everything(out).some((name) => name.endsWith(".compressed"));
  while (!isCompressing()) assert.ok(!steps.next().done);
  steps.return();
  reader.close();
  assert.ok(!existsSync(out));
});
