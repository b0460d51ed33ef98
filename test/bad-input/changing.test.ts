/** Checkpoints that change while they are read: an error or what was there, never anything else, and nothing left. */
import assert from "node:assert/strict";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CriuWasmError } from "../../ts-host/errors.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import type { Checkpoint } from "../../ts-host/offline/checkpoint.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { copyCheckpoint } from "../../ts-host/offline/copy.ts";
import { writeCore } from "../../ts-host/offline/core/index.ts";
import { openDirectory, search, textPattern, validate } from "../../ts-host/offline/node.ts";
import { mutate } from "../fuzz/mutate.ts";
import { command } from "../support/in-process.ts";
import { Random } from "../support/random.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";

/** Runs work that goes in steps, and does something to what it reads after the first of them. */
function disturbed(work: Generator<unknown, unknown>, disturb: () => void): void {
  work.next();
  disturb();
  while (!work.next().done);
}

const NOWHERE = { write() {}, skip() {} };

test("pages that are cut off, or go, while they are read", (t) => {
  const out = join(temporaryDirectory(t), "out");
  const works: ((checkpoint: Checkpoint) => Generator<unknown, unknown>)[] = [
    (checkpoint) => search(checkpoint, textPattern("nothing like this")),
    (checkpoint) => writeCore(checkpoint.root, NOWHERE),
    (checkpoint) => copyCheckpoint(checkpoint.reader, createCheckpoint(out, "criu")),
    (checkpoint) => copyCheckpoint(checkpoint.reader, createCheckpoint(out, "native")),
  ];
  for (const work of works) {
    const directory = sampleDirectory(t, "threads");
    const checkpoint = openDirectory(directory);
    assert.throws(
      () => disturbed(work(checkpoint), () => truncateSync(join(directory, "pages-1.img"), 8192)),
      (error) => error instanceof CriuWasmError && /pages-1\.img/.test(`${error.context.file}`),
    );
    checkpoint.close();
    assert.ok(!existsSync(out) || readdirSync(out).length === 0, "nothing is left of the copy");
  }
});

test("images that go, or become others, between two looks", (t) => {
  const directory = sampleDirectory(t, "zoo");
  const checkpoint = openDirectory(directory);
  assert.equal(checkpoint.processes.length, 4);
  rmSync(join(directory, "core-7483.img"));
  renameSync(join(directory, "mm-7478.img"), join(directory, "fs-7485.img"));
  const found = [...validate(checkpoint)].map(({ file, message }) => `${file}: ${message}`);
  assert.ok(found.some((line) => line.startsWith("core-7483.img: ")));
  assert.ok(found.some((line) => line.startsWith("mm-7478.img: ")));
  assert.ok(found.some((line) => line.startsWith("fs-7485.img: not an image of kind FS but MM")));
  assert.throws(() => checkpoint.process(7483).name, CriuWasmError);
  checkpoint.close();
});

for (const format of ["criu", "native"] as const) {
  test(`${format}: verbs on a checkpoint whose files are changed all the time`, async (t) => {
    const criu = sampleDirectory(t, "loop-static");
    const directory = format === "criu" ? criu : join(temporaryDirectory(t), "native");
    if (format === "native") {
      const reader = openCheckpoint(criu);
      convert(reader, createCheckpoint(directory, "native"));
      reader.close();
    }
    const files = readdirSync(directory).map((name) => join(directory, name));
    const whole = new Map(files.map((path) => [path, readFileSync(path)]));
    const random = new Random(5);
    const disturb = () => {
      const path = random.pick(files);
      const content = whole.get(path)!;
      if (random.oneIn(5)) rmSync(path, { force: true });
      else writeFileSync(path, random.oneIn(2) ? content : mutate(content, random, random.bytes(64)));
    };
    const out = join(temporaryDirectory(t), "out");
    const verbs = [
      ["validate", "-D", directory],
      ["show", directory],
      ["info", directory],
      ["core", "-D", directory, "-o", out],
      ["search", "-D", directory, "--text", "nothing like this"],
      ["diff", directory, criu],
    ];
    for (let round = 0; round < 40; round++) {
      const verb = verbs[round % verbs.length];
      let isDone = false;
      const running = command(...verb).finally(() => {
        isDone = true;
      });
      while (!isDone) {
        disturb();
        await new Promise(setImmediate);
      }
      const { status, stderr } = await running;
      assert.ok(status === 0 || status === 1);
      assert.doesNotMatch(stderr, /internal error/, verb[0]);
      assert.ok(!readdirSync(join(out, "..")).some((name) => name.includes("incomplete")));
    }
  });
}
