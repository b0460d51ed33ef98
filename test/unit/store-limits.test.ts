/** The store at its limits: a full disk, a checkpoint larger than memory may be, a process that wants to deceive it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CriuWasmError, describe } from "../../ts-host/errors.ts";
import { NativeWriter } from "../../ts-host/images/native.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { PageStore } from "../../ts-host/store/store.ts";
import { checkStore, statistics } from "../../ts-host/store/upkeep.ts";
import { assertSameBytes, randomBytes, randomNumbers } from "../support/pages.ts";
import { runToEnd } from "../support/steps.ts";

const PAGE = 4096;
const MIB = 1 << 20;

const LARGE_PAGES = (10 * 1024 * MIB) / PAGE;
/** As schemas/README.md states them, with what Node itself takes. */
const WRITING_BOUND = 384 * MIB;
const READING_BOUND = 96 * MIB;

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "store-limits-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function write(directory: string, store: string | undefined, pages: Uint8Array): void {
  const writer = new NativeWriter(directory, { compress: "lz4", regionPages: 16, threads: 1, store });
  try {
    writer.image({ kind: "VMAS", id: 1 }, []);
    writer
      .pages()
      .append(pages.length / PAGE, (view, offset) => view.set(pages.subarray(offset, offset + view.length)));
    writer.commit();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

function read(directory: string): Uint8Array {
  const reader = openCheckpoint(directory);
  const source = reader.pages(1);
  const pages = new Uint8Array(source.length * PAGE);
  source.read(0, source.length, (view, offset) => pages.set(view, offset));
  reader.close();
  return pages;
}

/** Tasks of a process of its own, by their names: started with a name and a directory, it runs that and ends. */
const TASKS: Record<string, (directory: string) => void> = {
  /** On a small file system: a checkpoint that has room, then others while less and less is left. */
  fillDisk(directory) {
    const store = join(directory, "store");
    const first = randomBytes(60 * PAGE, randomNumbers(1));
    write(join(directory, "first"), store, first);
    const more = randomBytes(60 * PAGE, randomNumbers(2));
    let failures = 0;
    for (let left = 0; left <= 84 * PAGE; left += 3 * PAGE) {
      const { bavail, bsize } = statfsSync(directory);
      const filler = join(directory, "filler");
      writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - left)));
      let message = "";
      try {
        write(join(directory, "second"), store, more);
      } catch (error) {
        if (!(error instanceof CriuWasmError)) throw error;
        message = describe(error);
        assert.match(message, /ENOSPC.*the disk is full/);
        failures++;
      }
      assertSameBytes(read(join(directory, "first")), first);
      if (message === "") assertSameBytes(read(join(directory, "second")), more);
      else assert.ok(!existsSync(join(directory, "second")), message);
      rmSync(filler);
      const found = [...checkStore(PageStore.open(store))].filter((step) => "severity" in step);
      assert.deepEqual(found, [], `${left} bytes left: ${message}`);
      if (message === "") break;
    }
    assert.ok(failures > 15, `${failures} failures`);
  },

  /** 10 GiB, of which every third page is zero and no two others are equal. */
  writeLarge(directory) {
    const writer = new NativeWriter(directory, { compress: "lz4", regionPages: 16, threads: 1 });
    let page = 0;
    writer.pages().append(LARGE_PAGES, (view) => {
      view.fill(0);
      const words = new Uint32Array(view.buffer, view.byteOffset, view.length / 4);
      for (let at = 0; at < words.length; at += PAGE / 4) words[at + 5] = ++page % 3 === 0 ? 0 : page;
    });
    writer.commit();
    assertMemoryBelow(WRITING_BOUND);
  },

  readLarge(directory) {
    const reader = openCheckpoint(directory);
    const source = reader.pages(1);
    let page = 0;
    source.read(0, source.length, (view) => {
      const words = new Uint32Array(view.buffer, view.byteOffset, view.length / 4);
      for (let at = 0; at < words.length; at += PAGE / 4)
        if (words[at + 5] !== (++page % 3 === 0 ? 0 : page)) throw new Error(`page ${page} is another`);
    });
    reader.close();
    assertMemoryBelow(READING_BOUND);
  },

  /** Counts what is read from files, from before the checkpoint is opened. */
  readOnePage(directory) {
    openCheckpoint(directory).close();
    const before = bytesRead();
    const reader = openCheckpoint(directory);
    const wanted = 2_000_001;
    reader.pages(1).read(wanted, 1, (view) => {
      const words = new Uint32Array(view.buffer, view.byteOffset, PAGE / 4);
      assert.equal(words[5], wanted + 1);
    });
    reader.close();
    const used = bytesRead() - before;
    assert.ok(used < MIB / 2, `${used} bytes read for one page`);
  },
};

function assertMemoryBelow(bound: number): void {
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))![1]) * 1024;
  assert.ok(peak < bound, `${Math.round(peak / MIB)} MiB at the most, not below ${bound / MIB}`);
}

function bytesRead(): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync("/proc/self/io", "latin1"))![1]);
}

const [task, directory] = process.argv.slice(2);
if (task !== undefined) TASKS[task](directory);

function run(name: string, directory: string, ...before: string[]): void {
  const self = fileURLToPath(import.meta.url);
  const [program, ...args] = [...before, process.execPath, "--enable-source-maps", self, name, directory];
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

if (task === undefined) {
  test("a full disk: the dump fails and says so, and nothing that was complete is damaged", (t) => {
    const mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'];
    const directory = directoryOf(t);
    if (process.getuid?.() !== 0 || spawnSync(mount[0], [...mount.slice(1), directory, "true"]).status !== 0)
      return t.skip("needs root and a mount namespace of its own");
    run("fillDisk", directory, ...mount, directory);
  });

  test("10 GiB: memory stays bounded on both ways, and one page is read without the others", (t) => {
    if (process.platform !== "linux") return t.skip("needs /proc");
    const directory = join(directoryOf(t), "large");
    run("writeLarge", directory);
    run("readLarge", directory);
    run("readOnePage", directory);
  });

  test("pages that are made to be taken for another process's are not", (t) => {
    const directory = directoryOf(t);
    const store = join(directory, "store");
    const secret = randomBytes(PAGE, randomNumbers(3));
    const forgeries = forgeriesOf(secret);
    const planted = Buffer.concat(forgeries);
    write(join(directory, "attacker"), store, planted);
    write(join(directory, "victim"), store, secret);
    assertSameBytes(read(join(directory, "victim")), secret);
    assertSameBytes(read(join(directory, "attacker")), planted);
    assert.equal(runToEnd(statistics(PageStore.open(store))).storedPages, forgeries.length + 1);
  });
}

type Words = Uint32Array;

function swap(all: Words, a: number, b: number): void {
  const kept = all[a];
  all[a] = all[b];
  all[b] = kept;
}

/** Changes at a block of 32 bytes that a sum of products does not see, if it has no key or a weak one. */
const FORGERIES: ((all: Words, block: number) => void)[] = [
  (all, block) => swap(all, block, block + 4),
  (all, block) => swap(all, block, block + 1),
  function swapHalves(all, block) {
    for (let at = 0; at < 4; at++) swap(all, block + at, block + 4 + at);
  },
  function swapBlocks(all, block) {
    for (let at = 0; at < 8; at++) swap(all, block + at, (block + 8 + at) % all.length);
  },
  function cancelInSum(all, block) {
    all[block]++;
    all[block + 1]--;
  },
  function negateBoth(all, block) {
    all[block] = -all[block];
    all[block + 4] = -all[block + 4];
  },
  function flipHighest(all, block) {
    all[block] ^= 0x80000000;
    all[block + 4] ^= 0x80000000;
  },
];

/** All different from `page` and from each other. */
function forgeriesOf(page: Uint8Array): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let block = 0; block < PAGE / 4; block += 8) {
    for (const forge of FORGERIES) {
      const copy = page.slice();
      forge(new Uint32Array(copy.buffer), block);
      list.push(copy);
    }
  }
  return list;
}
