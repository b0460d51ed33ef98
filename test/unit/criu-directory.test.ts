import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describe, ImageError, UnsupportedError } from "../../ts-host/errors.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { CriuWriter } from "../../ts-host/images/criu.ts";
import { CriuReader } from "../../ts-host/images/criu-reader.ts";
import { DirectorySource } from "../../ts-host/images/directory.ts";
import { NativeWriter } from "../../ts-host/images/native.ts";
import { NativeReader } from "../../ts-host/images/native-reader.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { assertSameBytes } from "../support/pages.ts";
import { pagesWanted, SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";

function assertSameDirectories(actual: string, expected: string): void {
  const names = readdirSync(expected).sort();
  assert.deepEqual(readdirSync(actual).sort(), names);
  for (const name of names) {
    assertSameBytes(readFileSync(join(actual, name)), readFileSync(join(expected, name)), name);
  }
}

for (const sample of readdirSync(SAMPLES)) {
  test(`images of CRIU's (${sample}) go to the native format and back, byte by byte`, (t) => {
    const criu = sampleDirectory(t, sample);
    const parent = temporaryDirectory(t);
    const [native, back, again] = ["native", "back", "again"].map((name) => join(parent, name));
    convert(openCheckpoint(criu), createCheckpoint(native, "native"));
    const reader = openCheckpoint(native);
    assert.equal(reader.format, "native");
    assert.deepEqual([...pagesWanted(reader).keys()].sort(), reader.streams().sort());
    convert(reader, createCheckpoint(back, "criu"));
    reader.close();
    assertSameDirectories(back, criu);
    convert(openCheckpoint(back), createCheckpoint(again, "criu"));
    assertSameDirectories(again, criu);
  });
}

test("pages are read at any place, and their number is the file's", (t) => {
  const directory = sampleDirectory(t, "loop-static");
  const reader = new CriuReader(new DirectorySource(directory));
  const file = readFileSync(join(directory, "pages-1.img"));
  const source = reader.pages(1);
  assert.equal(source.length, file.length / 4096);
  source.read(3, 2, (view, offset) => {
    assert.equal(offset, 0);
    assertSameBytes(view, file.subarray(3 * 4096, 5 * 4096));
  });
  assert.throws(() => source.read(source.length - 1, 2, () => {}), /are not in the file of \d+ pages/);
  reader.close();
  writeFileSync(join(directory, "pages-1.img"), file.subarray(0, -1));
  assert.throws(
    () => new CriuReader(new DirectorySource(directory)).pages(1),
    /are no whole number of pages/,
  );
  assert.throws(() => new CriuReader(new DirectorySource(directory)).pages(9), /no such file/);
});

test("a damaged or missing image is named", (t) => {
  const directory = sampleDirectory(t, "loop-static");
  const path = join(directory, "pstree.img");
  const content = readFileSync(path);
  const reader = openCheckpoint(directory);
  for (let length = 0; length < content.length; length++) {
    // Cut after the header it is a valid image without records.
    if (length === 8) continue;
    writeFileSync(path, content.subarray(0, length));
    assert.throws(
      () => reader.read({ kind: "PSTREE" }),
      (error) => error instanceof ImageError && error.context.file === path,
    );
  }
  rmSync(path);
  assert.throws(() => reader.read({ kind: "PSTREE" }), /no such file/);
  mkdirSync(path);
  assert.throws(() => reader.read({ kind: "PSTREE" }), /not a regular file/);
  rmSync(path, { recursive: true });
  execFileSync("mkfifo", [path]);
  assert.throws(() => reader.read({ kind: "PSTREE" }), /not a regular file/);
});

test("nothing is in the directory before the commit, and nothing after an abort", (t) => {
  const parent = temporaryDirectory(t);
  const directory = join(parent, "images");
  const begin = () => {
    const writer = new CriuWriter(directory);
    writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 1 } }]);
    writer.pages().append(300, (view) => view.fill(1));
    return writer;
  };
  const aborted = begin();
  assert.ok(!existsSync(join(directory, "inventory.img")));
  assert.throws(() => openCheckpoint(directory), /an incomplete checkpoint: its dump has not finished/);
  aborted.abort();
  assert.deepEqual(readdirSync(parent), []);
  begin().commit();
  assert.deepEqual(readdirSync(directory).sort(), ["inventory.img", "pages-1.img"]);
});

test("of an earlier dump in the same directory no image stays, and no other file is touched", (t) => {
  const directory = sampleDirectory(t, "zoo");
  writeFileSync(join(directory, "dump.log"), "log");
  const writer = createCheckpoint(directory, "criu");
  writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 1 } }]);
  writer.commit();
  assert.deepEqual(readdirSync(directory).sort(), ["dump.log", "inventory.img"]);
});

test("streams may have the ids that are asked for, each once", (t) => {
  const writer = new CriuWriter(temporaryDirectory(t));
  assert.equal(writer.pages(2).id, 2);
  assert.equal(writer.pages().id, 1);
  assert.equal(writer.pages().id, 3);
  assert.throws(() => writer.pages(2), /is there already/);
  writer.abort();
});

test("what is no checkpoint is told from what is half of one", (t) => {
  const parent = temporaryDirectory(t);
  const say = (directory: string) => {
    try {
      openCheckpoint(directory);
    } catch (error) {
      assert.ok(error instanceof ImageError);
      return describe(error);
    }
    throw new Error("opened");
  };
  const missing = join(parent, "missing");
  assert.equal(say(missing), `${missing}: no such directory`);
  writeFileSync(join(parent, "file"), "");
  assert.match(say(join(parent, "file")), /not a directory/);
  const directory = join(parent, "directory");
  mkdirSync(directory);
  assert.match(say(directory), /the directory is empty: no checkpoint/);
  writeFileSync(join(directory, "letter.txt"), "");
  assert.match(say(directory), /no checkpoint, but other files: letter\.txt/);
  writeFileSync(join(directory, "core-7.img"), "");
  assert.match(say(directory), /incomplete images: inventory\.img is missing/);
  writeFileSync(join(directory, "pages-0123456789abcdef.pack"), "");
  assert.match(say(directory), /an incomplete checkpoint: checkpoint\.meta is missing/);
});

test("the two formats do not share a directory", (t) => {
  const directory = sampleDirectory(t, "loop-static");
  assert.throws(() => createCheckpoint(directory, "native"), /holds a checkpoint of the other format/);
});

test("a conversion that fails leaves nothing", (t) => {
  const directory = sampleDirectory(t, "loop-static");
  const target = join(temporaryDirectory(t), "target");
  truncateLastByte(join(directory, "pages-1.img"));
  assert.throws(() => convert(openCheckpoint(directory), createCheckpoint(target, "native")), ImageError);
  assert.ok(!existsSync(target));
});

function truncateLastByte(path: string): void {
  writeFileSync(path, readFileSync(path).subarray(0, -1));
}

test("pages that lie elsewhere, or compressed, are not lost silently", (t) => {
  const pagemaps = [
    { vaddr: 0n, compat_nr_pages: 1, flags: 1, compressed_size: [] },
    { vaddr: 0n, compat_nr_pages: 1, in_parent: true, compressed_size: [] },
    { vaddr: 0n, compat_nr_pages: 1, flags: 4, compressed_size: [100] },
  ];
  for (const message of pagemaps) {
    const directory = temporaryDirectory(t);
    const source = new NativeWriter(directory);
    source.image({ kind: "PAGEMAP", id: 5 }, [{ message: { pages_id: 1 } }, { message }]);
    source.commit();
    const target = join(temporaryDirectory(t), "target");
    assert.throws(
      () => convert(new NativeReader(new DirectorySource(directory)), new CriuWriter(target)),
      (error) => error instanceof UnsupportedError && error.context.record === 1,
    );
    assert.ok(!existsSync(target));
  }
});
