import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CriuWasmError, describe, ImageError } from "../../ts-host/errors.ts";
import type { CheckpointReader, CheckpointWriter } from "../../ts-host/images/checkpoint.ts";
import { DirectorySource } from "../../ts-host/images/directory.ts";
import { NativeWriter } from "../../ts-host/images/native.ts";
import { METADATA_NAME } from "../../ts-host/images/native-format.ts";
import { NativeReader } from "../../ts-host/images/native-reader.ts";
import { checksum } from "../../ts-host/wasm/sums.ts";
import { assertSameBytes, mixedPages, randomNumbers } from "../support/pages.ts";

const KILLED_DIRECTORY = process.env.CRIU_WASM_TEST_KILLED;
if (KILLED_DIRECTORY !== undefined) writeUntilKilled(KILLED_DIRECTORY);

/** What the child process of a test does: it never gets to commit. */
function writeUntilKilled(directory: string): void {
  const writer = new NativeWriter(directory);
  writer.pages().append(1 << 20, (view, offset) => {
    view.fill(offset >> 20);
    if (offset === 4 << 20) process.stdout.write("writing\n");
  });
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "native-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const HEAD = { pages_id: 1 };
const entry = (vaddr: bigint, pages: number) => ({
  vaddr,
  compat_nr_pages: pages,
  flags: 4,
  compressed_size: [],
});

function writeSample(writer: CheckpointWriter, pages: Uint8Array): void {
  writer.image({ kind: "FS", id: 7 }, [{ message: { cwd_id: 1, root_id: 2, umask: 0o22 } }]);
  writer.image({ kind: "PAGEMAP", id: 7 }, [
    { message: HEAD },
    { message: entry(0x1000n, 3) },
    { message: entry(2n ** 47n, pages.length / 4096 - 3) },
  ]);
  writer.image({ kind: "PIPES_DATA" }, [
    { message: { pipe_id: 1, bytes: 5, size: 65536 }, payload: Buffer.from("hello") },
    { message: { pipe_id: 2, bytes: 0, size: 65536 }, payload: new Uint8Array(0) },
  ]);
  writer.image({ kind: "ROUTE", id: 10 }, [{ message: {}, payload: Buffer.from("raw bytes") }]);
  writer.image({ kind: "VMAS", id: 7 }, []);
  writer
    .pages()
    .append(pages.length / 4096, (view, offset) => view.set(pages.subarray(offset, offset + view.length)));
}

const PAGES = mixedPages(150, randomNumbers(11));

/** Reads every image, and every page unless somebody claims that there are very many. */
function readAll(reader: CheckpointReader): { images: [string, unknown][]; pages: Uint8Array[] } {
  const images = reader
    .list()
    .map((name): [string, unknown] => [`${name.kind} ${name.id}`, reader.read(name)]);
  const pages = reader.streams().map((id) => {
    const source = reader.pages(id);
    const count = Math.min(source.length, 1000);
    const content = new Uint8Array(count * 4096);
    source.read(0, count, (view, offset) => content.set(view, offset));
    return content;
  });
  return { images, pages };
}

function readDirectory(directory: string): ReturnType<typeof readAll> {
  const reader = new NativeReader(new DirectorySource(directory));
  try {
    return readAll(reader);
  } finally {
    reader.close();
  }
}

function writeCheckpoint(directory: string): void {
  const writer = new NativeWriter(directory);
  writeSample(writer, PAGES);
  writer.commit();
}

function packOf(directory: string): string {
  return readdirSync(directory).find((name) => name.endsWith(".pack"))!;
}

test("images and pages come back as they were written", (t) => {
  const directory = join(temporaryDirectory(t), "new", "checkpoint");
  writeCheckpoint(directory);
  assert.deepEqual(readdirSync(directory).sort(), [METADATA_NAME, packOf(directory)]);
  const { images, pages } = readDirectory(directory);
  const byName = new Map(images);
  assert.deepEqual([...byName.keys()], ["FS 7", "PAGEMAP 7", "PIPES_DATA undefined", "ROUTE 10", "VMAS 7"]);
  assert.deepEqual(byName.get("FS 7"), [{ message: { cwd_id: 1, root_id: 2, umask: 0o22 } }]);
  assert.deepEqual(byName.get("PAGEMAP 7"), [
    { message: HEAD },
    { message: entry(0x1000n, 3) },
    { message: entry(2n ** 47n, PAGES.length / 4096 - 3) },
  ]);
  const pipes = byName.get("PIPES_DATA undefined") as { payload: Uint8Array }[];
  assert.deepEqual(
    pipes.map(({ payload }) => Buffer.from(payload).toString()),
    ["hello", ""],
  );
  assert.deepEqual(byName.get("VMAS 7"), []);
  assert.equal(pages.length, 1);
  assertSameBytes(pages[0], PAGES);
});

test("a missing image and a missing stream are named", (t) => {
  const directory = temporaryDirectory(t);
  writeCheckpoint(directory);
  const reader = new NativeReader(new DirectorySource(directory));
  assert.ok(reader.has({ kind: "FS", id: 7 }));
  assert.ok(!reader.has({ kind: "FS", id: 8 }));
  assert.throws(() => reader.read({ kind: "FS", id: 8 }), /no fs-8\.img in this checkpoint/);
  assert.throws(() => reader.pages(2), /no page stream 2/);
  reader.close();
});

test("a new checkpoint takes the place of the one before, and only when it is complete", (t) => {
  const directory = temporaryDirectory(t);
  writeCheckpoint(directory);
  const before = readDirectory(directory);
  const abandoned = new NativeWriter(directory);
  abandoned.pages().append(100, (view) => view.fill(3));
  assert.deepEqual(readDirectory(directory), before);
  abandoned.abort();
  assert.deepEqual(readDirectory(directory), before);
  const writer = new NativeWriter(directory);
  writer.image({ kind: "VMAS", id: 1 }, []);
  writer.commit();
  assert.deepEqual(readDirectory(directory), { images: [["VMAS 1", []]], pages: [] });
  assert.equal(readdirSync(directory).length, 2);
});

test("abort leaves nothing, not even the directory if it was not there", (t) => {
  const parent = temporaryDirectory(t);
  const writer = new NativeWriter(join(parent, "new"));
  writeSample(writer, PAGES);
  writer.abort();
  assert.deepEqual(readdirSync(parent), []);
  const failing = new NativeWriter(parent);
  assert.throws(() => {
    failing.pages().append(1000, (_, offset) => {
      if (offset > 0) throw new CriuWasmError("the target is gone");
    });
  }, /the target is gone/);
  failing.abort();
  assert.deepEqual(readdirSync(parent), []);
});

test("a dump that is killed leaves no checkpoint, and the next one clears up behind it", async (t) => {
  const directory = temporaryDirectory(t);
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    env: { ...process.env, CRIU_WASM_TEST_KILLED: directory },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.match(readdirSync(directory).join(), /^\.incomplete-\d+-\w+$/);
  assert.throws(
    () => new NativeReader(new DirectorySource(directory)),
    /checkpoint\.meta: no such file|no such file/,
  );
  writeCheckpoint(directory);
  assert.deepEqual(readdirSync(directory).sort(), [METADATA_NAME, packOf(directory)]);
});

/** Both files of a checkpoint, and a way to read it with one of them changed. */
function damageable(t: TestContext) {
  const directory = temporaryDirectory(t);
  writeCheckpoint(directory);
  const contents = new Map(
    readdirSync(directory).map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))]),
  );
  const readWith = (name: string, content: Uint8Array) => {
    writeFileSync(join(directory, name), content);
    try {
      return readDirectory(directory);
    } finally {
      writeFileSync(join(directory, name), contents.get(name)!);
    }
  };
  return { directory, contents, readWith };
}

test("any byte that is changed is found, and the file and the place are named", (t) => {
  const { directory, contents, readWith } = damageable(t);
  for (const [name, content] of contents) {
    // Every byte of the metadata; of the pack, its header and then every 997th.
    for (let at = 0; at < content.length; at += name === METADATA_NAME || at < 64 ? 1 : 997) {
      const damaged = content.slice();
      damaged[at] ^= 1 << (at % 8);
      assert.throws(
        () => readWith(name, damaged),
        (error) => {
          assert.ok(error instanceof ImageError, `${name}, byte ${at}: ${error}`);
          assert.equal(error.context.file, join(directory, name), `${name}, byte ${at}: ${describe(error)}`);
          const { offset } = error.context;
          assert.ok(offset !== undefined && offset <= at, `${name}, byte ${at}: offset ${offset}`);
          return true;
        },
        `${name}, byte ${at}`,
      );
    }
  }
});

test("damage in one region is found when its pages are read, and the others can be read", (t) => {
  const { directory, contents } = damageable(t);
  const name = packOf(directory);
  const content = contents.get(name)!.slice();
  content[content.length >> 1] ^= 4;
  writeFileSync(join(directory, name), content);
  const reader = new NativeReader(new DirectorySource(directory));
  const source = reader.pages(1);
  const bad: number[] = [];
  for (let page = 0; page < source.length; page++) {
    try {
      source.read(page, 1, (view) => assertSameBytes(view, PAGES.subarray(page * 4096, (page + 1) * 4096)));
    } catch (error) {
      assert.match(describe(error), /pages \d+ to \d+ of the pack: checksum differs/);
      bad.push(page);
    }
  }
  reader.close();
  assert.ok(bad.length > 0 && bad.length < source.length / 2, `${bad.length} pages cannot be read`);
});

test("a file that is cut, or has grown, is refused", (t) => {
  const { contents, readWith } = damageable(t);
  for (const [name, content] of contents) {
    for (let round = 0; round < 200; round++) {
      const length = Math.floor((content.length * round) / 200);
      assert.throws(() => readWith(name, content.slice(0, length)), ImageError, `${name}, ${length} bytes`);
    }
    assert.throws(() => readWith(name, content.slice(0, -1)), ImageError);
    assert.throws(() => readWith(name, Buffer.concat([content, Buffer.alloc(1)])), ImageError);
  }
});

test("wrong magic, another version, someone else's pack: each is said", (t) => {
  const { directory, contents, readWith } = damageable(t);
  const pack = packOf(directory);
  assert.throws(
    () => readWith(METADATA_NAME, new Uint8Array(500)),
    /not the metadata of a checkpoint: wrong magic/,
  );
  assert.throws(
    () => readWith(pack, new Uint8Array(contents.get(pack)!.length)),
    /not a page pack: wrong magic/,
  );
  const other = temporaryDirectory(t);
  writeCheckpoint(other);
  const strange = readFileSync(join(other, packOf(other)));
  assert.throws(
    () => readWith(pack, strange),
    /belongs to another checkpoint|but its checkpoint has written/,
  );
  rmSync(join(directory, pack));
  assert.throws(() => readDirectory(directory), /no such file/);
});

/** Makes all checksums of a metadata file right again, as someone does who forges one. */
function reseal(content: Uint8Array): Uint8Array {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const directory = Number(view.getBigUint64(32, true));
  for (let at = directory + 8; at < content.length - 64; ) {
    const offset = Number(view.getBigUint64(at, true));
    const length = Number(view.getBigUint64(at + 8, true));
    const block = content.subarray(offset, offset + length);
    if (offset + length <= directory) view.setBigUint64(at + 16, checksum(block), true);
    const nameLength = view.getUint32(at + 24, true);
    if (nameLength > 100) break;
    at += 32 + ((nameLength + 7) & ~7);
  }
  view.setBigUint64(48, checksum(content.subarray(directory, content.length - 32)), true);
  view.setBigUint64(56, checksum(content.subarray(0, 56)), true);
  content.set(createHash("sha256").update(content.subarray(0, -32)).digest(), content.length - 32);
  return content;
}

test("metadata that was forged, with all checksums right, can only be refused or read", (t) => {
  const { contents, readWith } = damageable(t);
  const content = contents.get(METADATA_NAME)!;
  assert.deepEqual(reseal(content.slice()), content);
  let refused = 0;
  for (const value of [0xffffffff, 0x7fffffff, 0x10000, 0]) {
    for (let at = 64; at < content.length - 32; at += 4) {
      const forged = content.slice();
      new DataView(forged.buffer).setUint32(at, value, true);
      try {
        readWith(METADATA_NAME, reseal(forged));
      } catch (error) {
        assert.ok(error instanceof ImageError, `${value} at ${at}: ${(error as Error).stack}`);
        refused++;
      }
    }
  }
  assert.ok(refused > 100);
});

test("a checkpoint of a later version is refused by its number", (t) => {
  const { contents, readWith } = damageable(t);
  const later = contents.get(METADATA_NAME)!.slice();
  later[8] = 3;
  assert.throws(
    () => readWith(METADATA_NAME, reseal(later)),
    /version 3\.0 of the format, only 2\.x is known/,
  );
  later[8] = 2;
  later[10] = 9;
  assert.equal(readWith(METADATA_NAME, reseal(later)).pages.length, 1);
});
