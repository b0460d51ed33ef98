/** Verbs that make a new checkpoint of one that is there: convert, squash, scrub. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { describeFinding, validate } from "../../ts-host/offline/validate/index.ts";
import { pageOf, pageWith, writeHandmade } from "../support/handmade.ts";
import { assertSameBytes } from "../support/pages.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";
import { runCli } from "../support/victim.ts";

function findings(directory: string): string[] {
  const checkpoint = openDirectory(directory);
  const found = [...validate(checkpoint)].map(describeFinding);
  checkpoint.close();
  return found;
}

function memory(directory: string, pid: number, address: bigint, length: number): Buffer {
  const checkpoint = openDirectory(directory);
  const bytes = Buffer.from(checkpoint.process(pid).memory.read(address, length));
  checkpoint.close();
  return bytes;
}

async function must(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCli(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

test("convert goes to the other format and back, byte for byte", async (t) => {
  const folder = temporaryDirectory(t);
  const criu = sampleDirectory(t, "zoo");
  const [native, back] = [join(folder, "native"), join(folder, "back")];
  assert.match(
    await must("convert", "--to", "native", "-D", criu, "-o", native),
    /native: \d+ images, native/,
  );
  const json = await must("convert", "--to", "criu", "-D", native, "-o", back, "--json");
  assert.deepEqual(JSON.parse(json), {
    directory: back,
    from: "native",
    to: "criu",
    images: readdirSync(criu).length - 5,
  });
  for (const name of readdirSync(criu))
    assertSameBytes(readFileSync(join(back, name)), readFileSync(join(criu, name)), name);
  const same = await runCli(["convert", "--to", "criu", "-D", criu, "-o", criu]);
  assert.match(same.stderr, /the new checkpoint cannot take the place of the one that is read/);
});

/** Three checkpoints of one process, each with some of its pages; the last continues the others. */
function chain(t: TestContext): string {
  const folder = temporaryDirectory(t);
  const generations: [string, (Uint8Array | "parent" | "zero")[]][] = [
    ["first", [pageOf("1a"), pageOf("1b"), pageOf("1c"), "zero"]],
    ["second", ["parent", pageOf("2b"), pageOf("2c"), "zero"]],
    ["third", ["parent", "parent", pageOf("3c"), "zero"]],
  ];
  let before: string | undefined;
  for (const [name, pages] of generations) {
    const directory = join(folder, name);
    writeHandmade(directory, [{ pid: 5, mappings: [{ start: 0x10000n, pages }] }]);
    if (before !== undefined) symlinkSync(`../${before}`, join(directory, "parent"));
    before = name;
  }
  return join(folder, "third");
}

test("squash: one checkpoint with each page from where it was", async (t) => {
  const last = chain(t);
  for (const format of ["criu", "native"]) {
    const whole = join(temporaryDirectory(t), "whole");
    const json = await must("squash", "-D", last, "-o", whole, "--format", format, "--json");
    assert.deepEqual(JSON.parse(json), { directory: whole, pages: 3, byGeneration: [1, 1, 1] });
    assert.deepEqual(findings(whole), []);
    assert.ok(!existsSync(join(whole, "parent")));
    const bytes = memory(whole, 5, 0x10000n, 0x4000);
    assert.deepEqual(bytes, Buffer.concat([pageOf("1a"), pageOf("2b"), pageOf("3c"), new Uint8Array(4096)]));
  }
});

test("what lies in a parent is not lost: convert and scrub refuse it, squash without the parent does", async (t) => {
  const last = chain(t);
  const out = join(temporaryDirectory(t), "out");
  const converted = await runCli(["convert", "--to", "native", "-D", last, "-o", out]);
  assert.match(converted.stderr, /pages of a parent checkpoint are not in this one \(criu-wasm squash/);
  const scrubbed = await runCli(["scrub", "--text", "1a1a", "-D", last, "-o", out]);
  assert.match(scrubbed.stderr, /address 0x10000 is found in a parent checkpoint/);
  const alone = join(temporaryDirectory(t), "alone");
  writeHandmade(alone, [{ pid: 5, mappings: [{ start: 0x10000n, pages: ["parent"] }] }]);
  const squashed = await runCli(["squash", "-D", alone, "-o", out]);
  assert.match(
    squashed.stderr,
    /pagemap-5\.img, record 1: page 0x10000: in the parent checkpoint, which is not here/,
  );
  assert.ok(!existsSync(out));
});

test("scrub overwrites what is found, across pages too, and nothing else", async (t) => {
  const folder = temporaryDirectory(t);
  const secret = "hunter2";
  const pages = [
    pageWith(`pw=${secret};`, 10),
    pageWith(secret.slice(0, 3), 4093),
    pageWith(secret.slice(3), 0),
  ];
  const directory = join(folder, "old");
  writeHandmade(directory, [
    { pid: 10, mappings: [{ start: 0x10000n, pages }] },
    {
      pid: 11,
      parentPid: 10,
      name: "other",
      mappings: [{ start: 0x30000n, pages: [pageWith(secret, 2000)] }],
    },
  ]);
  for (const format of ["criu", "native"]) {
    const scrubbed = join(folder, format);
    const said = await must("scrub", "-D", directory, "-o", scrubbed, "--text", secret, "--format", format);
    assert.match(
      said,
      /^3 places in memory and 0 in queues and deleted files overwritten\nNot changed: names, paths/,
    );
    assert.deepEqual(findings(scrubbed), []);
    const expected = [pageWith(`pw=${"\0".repeat(7)};`, 10), new Uint8Array(8192)];
    assertSameBytes(memory(scrubbed, 10, 0x10000n, 0x3000), Buffer.concat(expected));
    assertSameBytes(memory(scrubbed, 11, 0x30000n, 0x1000), new Uint8Array(4096));
  }
  const crossed = join(folder, "crossed");
  await must(
    "scrub",
    "-D",
    directory,
    "-o",
    crossed,
    "--regex",
    "hunter[0-9]",
    "--fill",
    "XY",
    "--pid",
    "10",
  );
  assert.equal(memory(crossed, 10, 0x10000n, 30).toString("latin1", 10, 21), "pw=XYXYXYX;");
  assert.equal(memory(crossed, 11, 0x30000n, 4096).toString("latin1", 2000, 2007), secret);
});

test("scrub: pipes, sockets, terminals and deleted files; names are reported", async (t) => {
  const directory = sampleDirectory(t, "zoo");
  const scrubbed = join(temporaryDirectory(t), "scrubbed");
  const pattern = "left in the pipe|stream bytes|typed|an unlinked file|/srv/demo/zoo/ghost";
  const json = await must(
    "scrub",
    "-D",
    directory,
    "-o",
    scrubbed,
    "--regex",
    pattern,
    "--fill",
    "#",
    "--json",
  );
  const { inMemory, inImages, left } = JSON.parse(json) as {
    inMemory: number;
    inImages: number;
    left: object[];
  };
  assert.deepEqual([inMemory, inImages], [0, 4]);
  assert.deepEqual(left, [{ file: "files.img", record: 45, field: "reg.name", text: "/srv/demo/zoo/ghost" }]);
  assert.deepEqual(findings(scrubbed), []);
  const checkpoint = openDirectory(scrubbed);
  const payload = (kind: "PIPES_DATA" | "SK_QUEUES" | "GHOST_FILE", id?: number) =>
    Buffer.from(checkpoint.read({ kind, id })[0].payload!).toString();
  assert.equal(payload("PIPES_DATA"), "#".repeat(16));
  assert.equal(payload("SK_QUEUES"), "#".repeat(12));
  assert.equal(payload("GHOST_FILE", 1), "#".repeat(16));
  assert.equal(Buffer.from(checkpoint.read({ kind: "TTY_DATA" })[0].message.data).toString(), "#".repeat(5));
  checkpoint.close();
});

test("compress and decompress: smaller, and the same again", async (t) => {
  const folder = temporaryDirectory(t);
  const criu = sampleDirectory(t, "loop-dynamic");
  for (const more of [[], ["--region", "16"]]) {
    const [small, back] = [join(folder, `small${more.length}`), join(folder, `back${more.length}`)];
    const json = await must("compress", "-D", criu, "-o", small, ...more, "--json");
    const { bytesBefore, bytesAfter } = JSON.parse(json) as { bytesBefore: number; bytesAfter: number };
    assert.equal(bytesBefore, statSync(join(criu, "pages-1.img")).size);
    assert.ok(bytesAfter < bytesBefore);
    assert.equal(statSync(join(small, "pages-1.img")).size, bytesAfter);
    assert.deepEqual(findings(small), []);
    await must("decompress", "-D", small, "-o", back);
    for (const name of readdirSync(criu))
      assertSameBytes(readFileSync(join(back, name)), readFileSync(join(criu, name)), name);
  }
});

test("dedup: what a later checkpoint has becomes holes in the earlier ones, and the last is as it was", async (t) => {
  const last = chain(t);
  const before = memory(last, 5, 0x10000n, 0x4000);
  const [first, second] = ["first", "second"].map((name) => join(last, "..", name, "pages-5.img"));
  const json = await must("dedup", "-D", last, "--json");
  assert.deepEqual(JSON.parse(json), { pages: 3, checkpoints: 2 });
  assert.deepEqual(memory(last, 5, 0x10000n, 0x4000), before);
  assert.deepEqual(readFileSync(first), Buffer.concat([pageOf("1a"), new Uint8Array(8192)]));
  assert.deepEqual(readFileSync(second), Buffer.concat([pageOf("2b"), new Uint8Array(4096)]));
  assert.equal(statSync(first).blocks * 512, 4096);
  const again = await must("dedup", "-D", last);
  assert.match(again, /3 pages of 2 earlier checkpoints given back/);
});

test("convert into a store: the second checkpoint of the same pages adds none", async (t) => {
  const folder = temporaryDirectory(t);
  const criu = sampleDirectory(t, "zoo");
  const store = join(folder, "store");
  for (const name of ["one", "two"])
    await must("convert", "--to", "native", "-D", criu, "-o", join(folder, name), "--store", store);
  const figures = ["one", "two"].map((name) => {
    const checkpoint = openDirectory(join(folder, name));
    const { kept } = checkpoint.reader.pageFigures();
    checkpoint.close();
    return kept;
  });
  assert.ok(figures[0] > 1000);
  assert.equal(figures[1], 0);
  assert.deepEqual(findings(join(folder, "two")), []);
});

test("convert with each compression: the same pages, in less and less room", async (t) => {
  const folder = temporaryDirectory(t);
  const criu = sampleDirectory(t, "loop-dynamic");
  const sizes: number[] = [];
  for (const method of ["none", "lz4", "zstd"]) {
    const [native, back] = [join(folder, method), join(folder, `${method}-back`)];
    const compress = [`--compress=${method}`, "--compress-region=256K"];
    await must("convert", "--to", "native", "-D", criu, "-o", native, ...compress);
    const checkpoint = openDirectory(native);
    sizes.push(checkpoint.reader.pageFigures().bytes);
    checkpoint.close();
    assert.deepEqual(findings(native), []);
    await must("convert", "--to", "criu", "-D", native, "-o", back);
    assertSameBytes(readFileSync(join(back, "pages-1.img")), readFileSync(join(criu, "pages-1.img")));
  }
  assert.ok(sizes[0] > sizes[1] && sizes[1] > sizes[2], `${sizes}`);
  const refused = ["convert", "--to", "criu", "--compress=zstd", "-D", criu, "-o", join(folder, "never")];
  const { status, stderr } = await runCli(refused);
  assert.equal(status, 1);
  assert.match(stderr, /CRIU's format knows LZ4 only, not zstd/);
  assert.ok(!existsSync(join(folder, "never")));
});
