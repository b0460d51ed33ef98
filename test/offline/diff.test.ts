import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { diff, isDifferent, type ProcessDiff } from "../../ts-host/offline/diff.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { DEFAULT_PACK_OPTIONS } from "../../ts-host/store/pack-writer.ts";
import {
  type HandmadeMapping,
  type HandmadeProcess,
  pageOf,
  pageWith,
  writeHandmade,
} from "../support/handmade.ts";
import { randomNumbers } from "../support/pages.ts";
import { changedSample, sampleDirectory, temporaryDirectory } from "../support/samples.ts";
import { runCli } from "../support/victim.ts";

const BEFORE: HandmadeProcess[] = [
  {
    pid: 10,
    name: "kept",
    mappings: [
      { start: 0x10000n, pages: [pageOf("a"), pageOf("b"), pageOf("c"), "zero", "zero"] },
      { start: 0x20000n, pages: [pageOf("same"), pageOf("gone")], entry: { prot: 1 } },
      { start: 0x30000n, pages: [pageOf("unmapped")] },
    ],
  },
  { pid: 11, parentPid: 10, name: "ended", mappings: [] },
];

const AFTER: HandmadeProcess[] = [
  {
    pid: 10,
    name: "renamed",
    mappings: [
      {
        start: 0x10000n,
        pages: [pageOf("a"), pageOf("B"), pageOf("C"), pageWith("now", 4000), new Uint8Array(4096)],
      },
      { start: 0x20000n, pages: [pageOf("same"), pageOf("gone"), pageOf("new")], entry: { prot: 3 } },
    ],
  },
  { pid: 12, parentPid: 10, name: "born", mappings: [] },
];

function compared(before: string, after: string): ProcessDiff[] {
  const [first, second] = [openDirectory(before), openDirectory(after)];
  const found = [...diff(first, second)].filter((step): step is ProcessDiff => "pid" in step);
  first.close();
  second.close();
  return found;
}

const ranges = (list: { start: bigint; pages: number }[]) =>
  list.map(({ start, pages }) => [start.toString(16), pages]);

for (const format of ["criu", "native"] as const) {
  test(`processes, mappings and pages that differ (${format})`, (t) => {
    const [before, after] = ["before", "after"].map((name) => join(temporaryDirectory(t), name));
    writeHandmade(before, BEFORE, format);
    writeHandmade(after, AFTER, format);
    const found = compared(before, after);
    assert.deepEqual(
      found.map(({ pid, is }) => [pid, is]),
      [
        [10, "kept"],
        [12, "added"],
        [11, "removed"],
      ],
    );
    const [kept] = found;
    assert.deepEqual(kept.properties, [{ what: "name", before: "kept", after: "renamed" }]);
    assert.deepEqual(kept.descriptors, []);
    assert.deepEqual(kept.mappings, [
      { what: "20000-22000", before: "r--p anonymous", after: undefined },
      { what: "30000-31000", before: "rw-p anonymous", after: undefined },
      { what: "20000-23000", before: undefined, after: "rw-p anonymous" },
    ]);
    assert.deepEqual(
      kept.memory.map(({ mapping, changed, added }) => [mapping.start, ranges(changed), ranges(added)]),
      [
        [0x10000n, [["11000", 3]], []],
        [0x20000n, [], [["22000", 1]]],
      ],
    );
    assert.equal(kept.compared, 7);
    assert.deepEqual(compared(before, before).filter(isDifferent), []);
  });
}

const STORED = Array.from({ length: 500 }, (_, page) => pageOf(`page ${page} `));
const CHANGED = [7, 8, 300].map((page) => pageOf(`changed ${page} `));

/** Checkpoints whose one mapping has these pages, made one after the other in one store; the function compares two. */
function inStore(t: TestContext, memories: Record<string, Uint8Array[]>) {
  const folder = temporaryDirectory(t);
  const store = join(folder, "store");
  for (const [name, pages] of Object.entries(memories)) {
    writeHandmade(join(folder, `criu-${name}`), [{ pid: 5, mappings: [{ start: 0x10000n, pages }] }]);
    convert(
      openCheckpoint(join(folder, `criu-${name}`)),
      createCheckpoint(join(folder, name), "native", { ...DEFAULT_PACK_OPTIONS, store }),
    );
  }
  const differences = (before: string, after: string) => {
    const [{ memory, compared: pages, read }] = compared(join(folder, before), join(folder, after));
    assert.deepEqual(ranges(memory[0].changed), [
      ["17000", 2],
      ["13c000", 1],
    ]);
    return { pages, read };
  };
  return { folder, packs: join(store, "packs"), differences };
}

const after = STORED.with(7, CHANGED[0]).with(8, CHANGED[1]).with(300, CHANGED[2]);

test("pages that a checkpoint brought to a store are others than those that were there", (t) => {
  const { packs, differences } = inStore(t, { before: STORED, after });
  for (const name of readdirSync(packs)) if (name.endsWith(".hashes")) rmSync(join(packs, name));
  assert.deepEqual(differences("before", "after"), { pages: 500, read: 0 });
  assert.deepEqual(differences("after", "before"), { pages: 500, read: 0 });
  // Without the store every page is read.
  assert.deepEqual(differences("criu-before", "criu-after"), { pages: 500, read: 500 });
});

test("other pages of two checkpoints in one store are compared by their hashes, and read where there are none", (t) => {
  // Those that made the packs knew nothing of each other.
  const { packs, differences } = inStore(t, { old: STORED, young: CHANGED, before: STORED, after });
  assert.deepEqual(differences("before", "after"), { pages: 500, read: 0 });
  const contents = readdirSync(packs)
    .filter((name) => name.endsWith(".hashes"))
    .map((name): [string, Buffer] => [join(packs, name), readFileSync(join(packs, name))]);
  const damages = [
    (content: Buffer) => content.with(content.length >> 1, content[content.length >> 1] ^ 1),
    (content: Buffer) => content.subarray(0, 100),
    (content: Buffer) => content.subarray(0, 10),
  ];
  for (const damage of damages) {
    for (const [path, content] of contents) writeFileSync(path, damage(content));
    assert.deepEqual(differences("before", "after"), { pages: 500, read: 3 });
  }
  for (const [path] of contents) rmSync(path);
  assert.deepEqual(differences("before", "after"), { pages: 500, read: 3 });
});

/** Memory as it is compared: by the number of each page that is mapped, which of some contents it has; 0: zeros. */
type Contents = Map<number, number>;

const contentPages = [
  new Uint8Array(4096),
  ...Array.from({ length: 40 }, (_, index) => pageOf(`page ${index} `)),
];

/** Mappings with gaps between them; what they hold, most of it as it was before, is noted. */
function randomMappings(random: () => number, most: number, old: Contents, now: Contents): HandmadeMapping[] {
  const upTo = (limit: number) => Math.floor(random() * limit);
  let next = 16;
  return Array.from({ length: 4 }, () => {
    const first = next + upTo(3);
    const contents = Array.from({ length: 1 + upTo(most) }, (_, index) => {
      const same = random() < 0.9 ? old.get(first + index) : undefined;
      return same ?? upTo(contentPages.length);
    });
    for (const [index, content] of contents.entries()) now.set(first + index, content);
    next = first + contents.length;
    const fill = (view: Uint8Array, offset: number) => {
      for (let at = 0; at < view.length; at += 4096)
        view.set(contentPages[contents[(offset + at) / 4096]], at);
    };
    const isOneEntry = random() < 0.5;
    const pages = contents.map((content) =>
      content === 0 && random() < 0.5 ? "zero" : contentPages[content],
    );
    return { start: BigInt(first) * 4096n, pages: isOneEntry ? { count: contents.length, fill } : pages };
  });
}

const pagesOf = (list: { start: bigint; pages: number }[]) =>
  list.flatMap(({ start, pages }) =>
    Array.from({ length: pages }, (_, page) => Number(start / 4096n) + page),
  );

// The last has more extents than are in one block of the index.
for (const [seed, most] of [...Array.from({ length: 8 }, (_, index) => [index, 60]), [8, 6000]]) {
  test(`memory at random, by its places and by its bytes (${seed})`, (t) => {
    const folder = temporaryDirectory(t);
    const random = randomNumbers(seed);
    const made = ["before", "between", "after"].map(() => new Map<number, number>());
    for (const [index, name] of ["before", "between", "after"].entries()) {
      const mappings = randomMappings(random, most, made[index - 1] ?? new Map(), made[index]);
      writeHandmade(join(folder, `criu-${name}`), [{ pid: 5, mappings }]);
      convert(
        openCheckpoint(join(folder, `criu-${name}`)),
        createCheckpoint(join(folder, name), "native", {
          ...DEFAULT_PACK_OPTIONS,
          store: join(folder, "store"),
        }),
      );
    }
    const [old, , young] = made;
    const both = [...young.keys()].filter((page) => old.has(page));
    const changed = both.filter((page) => old.get(page) !== young.get(page));
    for (const [before, after] of [
      ["before", "after"],
      ["criu-before", "after"],
      ["before", "criu-after"],
    ]) {
      const [found] = compared(join(folder, before), join(folder, after));
      assert.deepEqual(
        found.memory.flatMap((each) => pagesOf(each.changed)),
        changed,
      );
      assert.deepEqual(
        found.memory.flatMap((each) => pagesOf(each.added)),
        [...young.keys()].filter((page) => !old.has(page)),
      );
      assert.equal(found.compared, both.length);
      // Zeros have no hash.
      const isRead = (page: number) => (old.get(page) === 0) !== (young.get(page) === 0);
      if (before === "before" && after === "after") assert.equal(found.read, both.filter(isRead).length);
    }
  });
}

test("descriptors and registers", (t) => {
  const before = sampleDirectory(t, "zoo");
  const after = changedSample(t, "zoo", { kind: "FILES" }, (records) => {
    const log = records.find(({ message }) => message.id === 48)!.message.reg!;
    log.pos = 99n;
    log.name = Buffer.from("/srv/demo/zoo/other");
  });
  const [first] = compared(before, after).filter(({ pid }) => pid === 7478);
  assert.deepEqual(first.descriptors, [
    {
      what: "fd 28",
      before: "/srv/demo/zoo/log flags 0102001 offset 5 close-on-exec",
      after: "/srv/demo/zoo/other flags 0102001 offset 99 close-on-exec",
    },
  ]);
  const moved = changedSample(t, "zoo", { kind: "CORE", id: 7481 }, ([{ message }]) => {
    message.thread_info!.gpregs.ip += 2n;
  });
  const [thread] = compared(before, moved)[0].properties;
  assert.equal(thread.what, "thread 7481");
});

test("the verb: lines for people, JSON for machines, exit status", async (t: TestContext) => {
  const [before, after] = ["before", "after"].map((name) => join(temporaryDirectory(t), name));
  writeHandmade(before, BEFORE);
  writeHandmade(after, AFTER, "native");
  const told = await runCli(["diff", before, after]);
  assert.equal(told.status, 1);
  assert.deepEqual(told.stdout.split("\n"), [
    "process 10 (renamed)",
    "  ~ name: kept -> renamed",
    "  - 20000-22000: r--p anonymous",
    "  - 30000-31000: rw-p anonymous",
    "  + 20000-23000: rw-p anonymous",
    "  memory: 3 of 7 pages changed",
    "    10000-15000 anonymous: 3 pages changed: 11000 (3)",
    "    20000-23000 anonymous: 1 page added: 22000 (1)",
    "+ process 12 (born)",
    "- process 11 (ended)",
    "",
  ]);
  const json = await runCli(["diff", before, after, "--json"]);
  const { processes } = JSON.parse(json.stdout) as {
    processes: { pid: number; memory: { changed: object[] }[] }[];
  };
  assert.deepEqual(processes[0].memory[0].changed, [{ start: "0x11000", pages: 3 }]);
  const same = await runCli(["diff", before, before]);
  assert.deepEqual([same.status, same.stdout], [0, "no difference in 2 processes\n"]);
});
