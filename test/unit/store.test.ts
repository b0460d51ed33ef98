import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ImageError } from "../../ts-host/errors.ts";
import { NativeWriter } from "../../ts-host/images/native.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { PageStore } from "../../ts-host/store/store.ts";
import { checkStore, collectGarbage, type StoreFinding, statistics } from "../../ts-host/store/upkeep.ts";
import { assertSameBytes, mixedPages, randomBytes, randomNumbers } from "../support/pages.ts";
import { runToEnd } from "../support/steps.ts";

const PAGE = 4096;

interface Place {
  root: string;
  store: string;
}

/** What the child process of a test does: it writes checkpoints until it is killed. */
function dumpUntilKilled({ root, store, round }: Place & { round: number }): void {
  for (let number = 0; ; number++) {
    write({ root, store }, `killed-${number % 3}`, content(round * 10 + number, 300));
    if (number === 0) process.stdout.write("going\n");
  }
}

function place(t: TestContext): Place {
  // In memory where that can be: the checkpoints of these tests are made durable hundreds of times.
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "store-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return { root, store: join(root, "store") };
}

const SHARED = randomBytes(200 * PAGE, randomNumbers(20));

/** Pages of which half are the same for every seed. */
function content(seed: number, pages: number): Uint8Array {
  const own = mixedPages(pages, randomNumbers(seed));
  own.set(SHARED.subarray(0, (pages >> 1) * PAGE));
  return own;
}

function write({ root, store }: Place, name: string, pages: Uint8Array): string {
  const directory = join(root, name);
  const writer = new NativeWriter(directory, { compress: "lz4", regionPages: 16, threads: 1, store });
  writer.image({ kind: "VMAS", id: 1 }, []);
  writer
    .pages()
    .append(pages.length / PAGE, (view, offset) => view.set(pages.subarray(offset, offset + view.length)));
  writer.commit();
  return directory;
}

function read(directory: string, store?: string): Uint8Array {
  const reader = openCheckpoint(directory, store);
  try {
    const source = reader.pages(1);
    const pages = new Uint8Array(source.length * PAGE);
    source.read(0, source.length, (view, offset) => pages.set(view, offset));
    return pages;
  } finally {
    reader.close();
  }
}

function packSizes({ store }: Place): number[] {
  const names = readdirSync(join(store, "packs")).filter((name) => name.endsWith(".pack"));
  return names.map((name) => statSync(join(store, "packs", name)).size);
}

const findings = (where: Place) =>
  [...checkStore(PageStore.open(where.store))].filter((step): step is StoreFinding => "severity" in step);

const KILLED = process.env.CRIU_WASM_TEST_KILLED_STORE;
if (KILLED !== undefined) dumpUntilKilled(JSON.parse(KILLED));

test("what one checkpoint has brought, another does not bring again", (t) => {
  const where = place(t);
  const pages = content(1, 600);
  const changed = pages.slice();
  changed.set(randomBytes(18 * PAGE, randomNumbers(2)), 400 * PAGE);
  const first = write(where, "first", pages);
  const [size] = packSizes(where);
  const second = write(where, "second", changed);
  const both = packSizes(where).reduce((sum, each) => sum + each);
  assert.ok(both < 1.06 * size, `${both} bytes for both, ${size} for one`);
  assertSameBytes(read(first), pages);
  assertSameBytes(read(second), changed);
  assert.deepEqual(findings(where), []);
  const found = runToEnd(statistics(PageStore.open(where.store)));
  assert.equal(found.checkpoints, 2);
  assert.equal(found.pages, 1200);
  assert.ok(found.saved.dedup > 1.8 && found.saved.all > 2, JSON.stringify(found));
});

test("store and checkpoints may move together; a store that is not there is named", (t) => {
  const where = place(t);
  const pages = content(3, 100);
  write(where, "one", pages);
  const moved = `${where.root}-moved`;
  t.after(() => rmSync(moved, { recursive: true, force: true }));
  renameSync(where.root, moved);
  assertSameBytes(read(join(moved, "one")), pages);
  renameSync(join(moved, "store"), join(moved, "elsewhere"));
  assert.throws(
    () => read(join(moved, "one")),
    (error) => {
      assert.ok(error instanceof ImageError);
      assert.match(error.context.file!, /store\/packs\/[0-9a-f]{32}\.pack$/);
      assert.match(error.context.hint!, /--store/);
      return true;
    },
  );
  assertSameBytes(read(join(moved, "one"), join(moved, "elsewhere")), pages);
});

test("gc removes what no checkpoint refers to, and nothing else", (t) => {
  const where = place(t);
  const kept = content(4, 200);
  const first = write(where, "first", content(5, 200));
  const second = write(where, "second", kept);
  const store = PageStore.open(where.store);
  assert.equal(runToEnd(collectGarbage(store, false)).packs, 0);
  // The second uses pages that the first has brought: its pack stays.
  rmSync(first, { recursive: true });
  const after = runToEnd(collectGarbage(store, false));
  assert.deepEqual([after.forgotten, after.packs], [1, 0]);
  assertSameBytes(read(second), kept);
  // Moved within the file system, a checkpoint is still there.
  renameSync(second, join(where.root, "third"));
  assert.equal(runToEnd(collectGarbage(store, false)).packs, 0);
  assertSameBytes(read(join(where.root, "third")), kept);
  rmSync(join(where.root, "third"), { recursive: true });
  assert.equal(runToEnd(collectGarbage(store, false)).packs, 2);
  assert.deepEqual(packSizes(where), []);
  assert.deepEqual(findings(where), []);
});

test("a checkpoint that another one has replaced in its directory is forgotten", (t) => {
  const where = place(t);
  write(where, "one", randomBytes(50 * PAGE, randomNumbers(6)));
  const pages = randomBytes(50 * PAGE, randomNumbers(7));
  const directory = write(where, "one", pages);
  const { forgotten, packs } = runToEnd(collectGarbage(PageStore.open(where.store), false));
  assert.deepEqual([forgotten, packs], [1, 1]);
  assertSameBytes(read(directory), pages);
});

test("on another file system, a checkpoint is found by its path, and kept while it is not to be seen", (t) => {
  const where = place(t);
  const pages = content(8, 60);
  const directory = write(where, "far", pages);
  // As it is where no hard link can be made: a copy, and the path.
  const [meta] = readdirSync(join(where.store, "checkpoints"));
  const kept = join(where.store, "checkpoints", meta);
  cpSync(kept, `${kept}.copy`);
  renameSync(`${kept}.copy`, kept);
  writeFileSync(kept.replace(".meta", ".path"), directory);
  const store = PageStore.open(where.store);
  assert.deepEqual(runToEnd(collectGarbage(store, false)).missing, []);
  renameSync(directory, `${directory}-unmounted`);
  assert.deepEqual(runToEnd(collectGarbage(store, false)).missing, [directory]);
  renameSync(`${directory}-unmounted`, directory);
  assertSameBytes(read(directory), pages);
  rmSync(directory, { recursive: true });
  assert.equal(runToEnd(collectGarbage(store, true)).packs, 1);
});

test("gc beside dumps at work takes nothing that they may have found", (t) => {
  const where = place(t);
  const pages = content(9, 100);
  const first = write(where, "first", pages);
  const store = PageStore.open(where.store);
  const directory = join(where.root, "second");
  const writer = new NativeWriter(directory, {
    compress: "lz4",
    regionPages: 16,
    threads: 1,
    store: where.store,
  });
  writer.pages().append(100, (view, offset) => view.set(pages.subarray(offset, offset + view.length)));
  rmSync(first, { recursive: true });
  const during = runToEnd(collectGarbage(store, false));
  assert.deepEqual([during.packs, during.waiting], [0, 1]);
  writer.commit();
  assertSameBytes(read(directory), pages);
  assert.equal(runToEnd(collectGarbage(store, false)).packs, 0);
  assertSameBytes(read(directory), pages);
  // What gc had put out of sight while it waited can be found again.
  assert.ok(!readdirSync(join(where.store, "packs")).some((name) => name.endsWith(".condemned")));
  assert.deepEqual(findings(where), []);
});

test("two dumps at once share one store", (t) => {
  const where = place(t);
  const contents = [content(10, 300), content(11, 300)];
  const writers = contents.map(
    (_, index) =>
      new NativeWriter(join(where.root, `${index}`), {
        compress: "lz4",
        regionPages: 16,
        threads: 1,
        store: where.store,
      }),
  );
  const sinks = writers.map((writer) => writer.pages());
  for (let at = 0; at < 300; at += 50)
    for (const [index, sink] of sinks.entries())
      sink.append(50, (view, offset) =>
        view.set(contents[index].subarray(at * PAGE + offset, at * PAGE + offset + view.length)),
      );
  for (const writer of writers) writer.commit();
  for (const [index, pages] of contents.entries()) assertSameBytes(read(join(where.root, `${index}`)), pages);
  assert.deepEqual(findings(where), []);
});

test("a dump that fails leaves the store as it was", (t) => {
  const where = place(t);
  const first = write(where, "first", content(12, 100));
  const before = readdirSync(where.store, { recursive: true }).sort();
  const writer = new NativeWriter(join(where.root, "second"), {
    compress: "lz4",
    regionPages: 16,
    threads: 1,
    store: where.store,
  });
  writer.pages().append(500, (view) => view.fill(7));
  writer.abort();
  assert.deepEqual(readdirSync(where.store, { recursive: true }).sort(), before);
  assert.ok(existsSync(first) && !existsSync(join(where.root, "second")));
});

test("dumps that are killed at any moment leave the store clean", async (t) => {
  const where = place(t);
  const pages = content(13, 300);
  const safe = write(where, "safe", pages);
  const random = randomNumbers(14);
  const rounds = Number(process.env.CRIU_WASM_KILLS ?? 12);
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      env: { ...process.env, CRIU_WASM_TEST_KILLED_STORE: JSON.stringify({ ...where, round }) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, random() * 40));
    child.kill("SIGKILL");
    await once(child, "exit");
    const errors = findings(where).filter(({ severity }) => severity === "error");
    assert.deepEqual(errors, [], `round ${round}`);
    assertSameBytes(read(safe), pages);
    if (round % 4 === 3) runToEnd(collectGarbage(PageStore.open(where.store), false));
  }
  runToEnd(collectGarbage(PageStore.open(where.store), false));
  assert.deepEqual(findings(where), []);
});

test("damage in a store is found, and named by file", (t) => {
  const where = place(t);
  write(where, "one", content(15, 80));
  write(where, "two", content(16, 80));
  const files = readdirSync(where.store, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  assert.ok(files.length >= 7);
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name);
    const good = readFileSync(path);
    const step = Math.max(1, Math.floor(good.length / 60));
    for (let at = 0; at < good.length; at += step) {
      const bad = Buffer.from(good);
      bad[at] ^= 1 << (at % 8);
      writeFileSync(path, bad);
      let named: string[];
      try {
        named = findings(where).map(({ file }) => file);
      } catch (error) {
        named = [(error as ImageError).context.file!];
      }
      assert.ok(named.includes(path), `${path}, byte ${at}: ${named}`);
    }
    writeFileSync(path, good);
  }
  assert.deepEqual(findings(where), []);
});

test("the secret of a store is its own, and nobody else's to read", (t) => {
  const stores = [place(t), place(t)].map((where) => {
    write(where, "one", content(17, 40));
    return where.store;
  });
  const [key, other] = stores.map((store) => PageStore.open(store).key);
  assert.notDeepEqual(key, other);
  for (const entry of readdirSync(stores[0], { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    assert.equal(statSync(path).mode & 0o077, 0, path);
  }
});
