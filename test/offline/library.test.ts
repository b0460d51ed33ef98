import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CriuWasmError, ImageError } from "../../ts-host/errors.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { openDirectory, openPath } from "../../ts-host/offline/node.ts";
import { writeHandmade } from "../support/handmade.ts";
import { assertSameBytes } from "../support/pages.ts";
import { SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";

test("processes of a tree: ids, threads, states, names", () => {
  const checkpoint = openDirectory(join(SAMPLES, "zoo"));
  const rows = checkpoint.processes.map(({ pid, parentPid, tids, name, state }) => [
    pid,
    parentPid,
    tids,
    name,
    state,
  ]);
  assert.deepEqual(rows, [
    [7478, 0, [7478, 7480, 7481, 7482], "python3", "running"],
    [7483, 7478, [7483], "python3", "running"],
    [7485, 7483, [7485], "python3", "running"],
    [7484, 7478, [7484], "python3", "zombie"],
  ]);
  const zombie = checkpoint.process(7484);
  assert.ok(!zombie.hasResources);
  assert.deepEqual([zombie.mappings, zombie.descriptors, zombie.arguments], [[], [], []]);
  assert.throws(() => checkpoint.process(1), /no process 1 in this checkpoint/);
});

test("descriptors, each in one line", () => {
  const process = openDirectory(join(SAMPLES, "zoo")).process(7478);
  const lines = new Map(process.descriptors.map(({ fd, text }) => [fd, text]));
  assert.equal(lines.size, 30);
  const expected: [number, string][] = [
    [1, "/dev/null"],
    [3, "pipe:[4313817] read end"],
    [4, "pipe:[4313817] write end"],
    [5, "fifo:[1605890]"],
    [6, "unix stream socket:[4313818] -> socket:[4313819]"],
    [11, "unix stream /srv/demo/zoo/listen.sock listening"],
    [12, "unix stream @zoo-7478 listening"],
    [13, "tcp 127.0.0.1:33271 listening"],
    [15, "udp [::1]:33845"],
    [16, "tcp 127.0.0.1:58386 -> 127.0.0.1:33271"],
    [18, "eventfd 7"],
    [19, "epoll of fds 3, 18"],
    [23, "memfd of inode 2"],
    [26, "/srv/demo/zoo/ghost"],
  ];
  for (const [fd, line] of expected) assert.equal(lines.get(fd), line);
  assert.equal(process.workingDirectory, "/srv/demo/zoo");
  assert.equal(process.root, "/");
  assert.equal(process.executable, "/usr/bin/python3.11");
});

test("threads and their registers", () => {
  const threads = openDirectory(join(SAMPLES, "threads")).process(7434).threads;
  assert.equal(threads.length, 21);
  assert.equal(threads[0].architecture, "X86_64");
  const [leader] = openDirectory(join(SAMPLES, "zoo")).process(7478).threads;
  const registers = new Map(leader.registers);
  assert.equal(registers.get("ip"), 0x7f585aa0e543n);
  assert.equal(registers.get("sp"), 0x7ffea8723cd0n);
  assert.equal(leader.instructionPointer, 0x7f585aa0e543n);
});

test("mappings: what they are of, and where their content is", () => {
  const { mappings, memory } = openDirectory(join(SAMPLES, "loop-dynamic")).process(7411);
  const lines = mappings.map(({ kind, protection, name }) => `${kind} ${protection} ${name}`);
  assert.deepEqual(lines.slice(0, 5), [
    "file r--p /srv/demo/loop-dyn",
    "file r-xp /srv/demo/loop-dyn",
    "file r--p /srv/demo/loop-dyn",
    "file r--p /srv/demo/loop-dyn",
    "file rw-p /srv/demo/loop-dyn",
  ]);
  assert.deepEqual(lines.slice(-2), ["stack rw-p [stack]", "vsyscall --xp [vsyscall]"]);
  for (const mapping of mappings) {
    const pieces = [...memory.piecesOf(mapping)];
    const total = pieces.reduce((sum, { start, end }) => sum + end - start, 0n);
    assert.equal(total, mapping.size, "the pieces are the whole mapping");
    assert.equal(pieces[0].start, mapping.start);
  }
  const stack = mappings.find(({ kind }) => kind === "stack")!;
  assert.deepEqual(
    [...memory.piecesOf(stack)].map(({ start, end, content }) => [content.is, (end - start) / 4096n]),
    [
      ["zero", 30n],
      ["stored", 3n],
    ],
  );
});

/** All stored bytes of a process in the order of their addresses, checked against what `read` gives. */
function storedBytes(directory: string, pid: number): { address: bigint; bytes: Uint8Array }[] {
  const checkpoint = openDirectory(directory);
  const { memory } = checkpoint.process(pid);
  const found: { address: bigint; bytes: Uint8Array }[] = [];
  for (const { start, end, content } of memory.pieces()) {
    if (content.is === "stored")
      found.push({ address: start, bytes: memory.read(start, Number(end - start)) });
  }
  checkpoint.close();
  return found;
}

test("memory is the pages of the stream at the addresses of the pagemap, in both formats", (t) => {
  const criu = sampleDirectory(t, "loop-static");
  const native = join(temporaryDirectory(t), "native");
  convert(openCheckpoint(criu), createCheckpoint(native, "native"));
  const pages = readFileSync(join(criu, "pages-1.img"));
  for (const directory of [criu, native]) {
    const pieces = storedBytes(directory, 7388);
    assertSameBytes(Buffer.concat(pieces.map(({ bytes }) => bytes)), pages);
  }
  const checkpoint = openDirectory(criu);
  const { memory, mappings } = checkpoint.process(7388);
  const heap = mappings.find(({ kind }) => kind === "heap")!;
  // Across the end of what is stored: two pages of content, zeros behind.
  const across = memory.read(heap.start + 4000n, 8192);
  assertSameBytes(across.subarray(4192), new Uint8Array(4000));
  assert.notEqual(
    across.subarray(0, 4192).findIndex((byte) => byte !== 0),
    -1,
  );
  assert.throws(() => memory.read(0n, 1), /address 0x0: nothing is mapped there/);
  assert.throws(() => memory.read(0x400000n, 16), /address 0x400000: in \/srv\/demo\/loop-static/);
  checkpoint.close();
});

test("shared memory is read from the pages of its object", (t) => {
  const directory = sampleDirectory(t, "zoo");
  const checkpoint = openDirectory(directory);
  const { memory, mappings } = checkpoint.process(7483);
  const shared = mappings.find(({ kind }) => kind === "memfd")!;
  const content = memory.read(shared.start, 8192);
  assertSameBytes(content.subarray(0, 4096), readFileSync(join(directory, "pages-1.img")).subarray(0, 4096));
  assertSameBytes(content.subarray(4096), new Uint8Array(4096));
  checkpoint.close();
});

/** A process of four pages of which `present` are in this checkpoint and the others in its parent. */
function writeGeneration(directory: string, present: number[], fill: number): void {
  const pages = [0, 1, 2, 3].map((page) =>
    present.includes(page) ? new Uint8Array(4096).fill(fill) : "parent",
  );
  writeHandmade(directory, [{ pid: 5, mappings: [{ start: 0x10000n, pages }] }]);
}

test("pages that an incremental checkpoint leaves to its parents come from there", (t) => {
  const folder = temporaryDirectory(t);
  writeGeneration(join(folder, "first"), [0, 1, 2, 3], 1);
  writeGeneration(join(folder, "second"), [1, 2], 2);
  writeGeneration(join(folder, "third"), [2], 3);
  symlinkSync("../first", join(folder, "second", "parent"));
  symlinkSync("../second", join(folder, "third", "parent"));
  const checkpoint = openDirectory(join(folder, "third"));
  const process = checkpoint.process(5);
  const bytes = process.memory.read(0x10000n, 0x4000);
  assert.deepEqual(
    [0, 1, 2, 3].map((page) => bytes[page * 4096]),
    [1, 2, 3, 1],
  );
  const generations = [...process.memory.pieces()].map(
    ({ content }) => content.is === "stored" && content.generation,
  );
  assert.deepEqual(generations, [2, 1, 0, 2]);
  checkpoint.close();
  const orphan = openDirectory(join(folder, "first"));
  assert.equal(orphan.parent, undefined);
  orphan.close();
});

test("a chain that leads back to itself is refused, and so are pages that no parent has", (t) => {
  const folder = temporaryDirectory(t);
  writeGeneration(join(folder, "only"), [1], 7);
  const alone = openDirectory(join(folder, "only")).process(5).memory;
  assert.equal(alone.read(0x11000n, 1)[0], 7);
  assert.throws(() => alone.read(0x10000n, 1), /in the parent checkpoint, which is not here/);
  symlinkSync(".", join(folder, "only", "parent"));
  const endless = openDirectory(join(folder, "only")).process(5).memory;
  assert.throws(() => endless.read(0x10000n, 1), CriuWasmError);
});

function tar(directory: string, archive: string, ...options: string[]): string {
  execFileSync("tar", [...options, "-cf", archive, "-C", directory, "."]);
  return archive;
}

test("a tar archive, plain and compressed, is the same checkpoint as its directory", async (t) => {
  const folder = temporaryDirectory(t);
  const directory = sampleDirectory(t, "zoo");
  const expected = storedBytes(directory, 7478);
  const archives = [
    tar(directory, join(folder, "plain.tar")),
    tar(directory, join(folder, "gzip.tar.gz"), "-z"),
    tar(join(directory, ".."), join(folder, "pax.tar"), "--format=pax"),
  ];
  for (const archive of archives) {
    const checkpoint = await openPath(archive);
    assert.equal(checkpoint.format, "criu");
    const { memory } = checkpoint.process(7478);
    for (const { address, bytes } of expected) assertSameBytes(memory.read(address, bytes.length), bytes);
    checkpoint.close();
  }
});

test("a native checkpoint in an archive, and a chain of them", async (t) => {
  const folder = temporaryDirectory(t);
  const criu = sampleDirectory(t, "threads");
  convert(openCheckpoint(criu), createCheckpoint(join(folder, "native", "checkpoint"), "native"));
  const native = await openPath(tar(join(folder, "native"), join(folder, "native.tar.gz"), "-z"));
  assert.equal(native.format, "native");
  assert.equal(native.process(7434).threads.length, 21);
  native.close();

  writeGeneration(join(folder, "chain", "first"), [0, 1, 2, 3], 1);
  writeGeneration(join(folder, "chain", "second"), [1, 2], 2);
  symlinkSync("../first", join(folder, "chain", "second", "parent"));
  const archive = tar(join(folder, "chain"), join(folder, "chain.tar"));
  const chain = await openPath(archive);
  assert.match(chain.location, /second$/);
  assert.deepEqual([...chain.process(5).memory.read(0x10000n, 4097)].slice(4095), [1, 2]);
  chain.close();
  const first = await openPath(archive, { folder: "first" });
  assert.equal(first.process(5).memory.read(0x11000n, 1)[0], 1);
  first.close();
});

test("archives that lead out of themselves, or hold too much, are refused", async (t) => {
  const folder = temporaryDirectory(t);
  const directory = sampleDirectory(t, "loop-static");
  const plain = tar(directory, join(folder, "plain.tar"));
  const transformed = (name: string, expression: string) =>
    tar(directory, join(folder, name), "-P", `--transform=${expression}`);
  const cases: [string, RegExp][] = [
    [transformed("up.tar", "s,^\\./core,../../core,"), /holds a path with \.\.: /],
    [transformed("absolute.tar", "s,^\\./core,/etc/core,"), /holds an absolute path: \/etc\/core/],
    [transformed("twice.tar", "s,^\\./core-.*,fs-7388.img,"), /holds fs-7388\.img twice/],
  ];
  for (const [archive, message] of cases) {
    await assert.rejects(
      openPath(archive),
      (error) => error instanceof ImageError && message.test(error.message),
    );
  }
  await assert.rejects(openPath(plain, { maximumSize: 50_000 }), /unpacks to more than 50000 bytes/);
  await assert.rejects(openPath(plain, { maximumEntries: 5 }), /more than 5 entries/);
  const linked = join(folder, "linked");
  writeGeneration(linked, [1], 7);
  symlinkSync("/etc", join(linked, "parent"));
  await assert.rejects(
    openPath(tar(linked, join(folder, "link.tar"))),
    /parent leads out of the archive, to \/etc/,
  );
});

test("links and devices in an archive are not files of a checkpoint", async (t) => {
  const folder = temporaryDirectory(t);
  const directory = sampleDirectory(t, "loop-static");
  execFileSync("mv", [join(directory, "pages-1.img"), join(folder, "secret")]);
  symlinkSync(join(folder, "secret"), join(directory, "pages-1.img"));
  execFileSync("mkfifo", [join(directory, "pages-2.img")]);
  const checkpoint = await openPath(tar(directory, join(folder, "links.tar")));
  for (const id of [1, 2]) assert.throws(() => checkpoint.pages(id), /no such file/);
  checkpoint.close();
});

test("archives that are cut or damaged are refused, and nothing is left behind", async (t) => {
  const folder = temporaryDirectory(t);
  const before = readdirSync(process.env.TMPDIR ?? "/tmp").filter((name) =>
    name.startsWith("criu-wasm-"),
  ).length;
  for (const [name, ...options] of [["plain.tar"], ["gzip.tar.gz", "-z"]]) {
    const archive = tar(sampleDirectory(t, "loop-static"), join(folder, name), ...options);
    const content = readFileSync(archive);
    for (let part = 0; part < 20; part++) {
      writeFileSync(archive, content.subarray(0, Math.floor((content.length * part) / 21)));
      await assert.rejects(openPath(archive), ImageError, `${name} cut at ${part}/21`);
    }
    const damaged = Buffer.from(content);
    damaged.fill(0x55, 700, 760);
    writeFileSync(archive, damaged);
    if (name === "gzip.tar.gz") await assert.rejects(openPath(archive), ImageError);
  }
  const after = readdirSync(process.env.TMPDIR ?? "/tmp").filter((name) =>
    name.startsWith("criu-wasm-"),
  ).length;
  assert.ok(after <= before + 10);
});

test("the library for browsers needs nothing of Node, nor what is native", () => {
  const code = readFileSync("dist/offline.browser.mjs", "utf8");
  assert.doesNotMatch(code, /\bfrom\s*"node:|\brequire\(|\bimport\(/);
  assert.doesNotMatch(code, /\bprocess\.(env|platform|kill)\b|\bBuffer\.(from|alloc)\b/);
  const { sources } = JSON.parse(readFileSync("dist/offline.browser.mjs.map", "utf8")) as {
    sources: string[];
  };
  const foreign = sources.filter((path) =>
    /ts-host\/(remote|native|engine|cli)\/|ts-host\/kernel\/(?!abi\/)/.test(path),
  );
  assert.deepEqual(foreign, []);
});
