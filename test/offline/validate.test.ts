import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CriuWasmError } from "../../ts-host/errors.ts";
import type { ImageKind, PagemapEntry, PstreeEntry } from "../../ts-host/generated/messages.ts";
import type { ImageName, ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { describeFinding, type Finding, validate } from "../../ts-host/offline/validate/index.ts";
import { Random } from "../support/random.ts";
import {
  changedSample,
  changeImage,
  SAMPLES,
  sampleDirectory,
  temporaryDirectory,
} from "../support/samples.ts";
import { runCli } from "../support/victim.ts";

function findings(directory: string): Finding[] {
  const checkpoint = openDirectory(directory);
  try {
    return [...validate(checkpoint)];
  } finally {
    checkpoint.close();
  }
}

const lines = (directory: string) => findings(directory).map(describeFinding);

for (const sample of readdirSync(SAMPLES)) {
  test(`nothing is wrong with what CRIU has made (${sample}), in both formats`, (t) => {
    const criu = sampleDirectory(t, sample);
    const native = join(temporaryDirectory(t), "native");
    convert(openCheckpoint(criu), createCheckpoint(native, "native"));
    assert.deepEqual(lines(criu), []);
    assert.deepEqual(lines(native), []);
  });
}

/** What is found after one image of the zoo was changed. */
function afterChange<K extends ImageKind>(
  t: TestContext,
  name: ImageName<K>,
  change: (records: ImageRecord<K>[]) => void,
): string[] {
  return lines(changedSample(t, "zoo", name, change));
}

test("references that lead nowhere", (t) => {
  assert.deepEqual(
    afterChange(t, { kind: "FDINFO", id: 3 }, ([first, second, third]) => {
      first.message.id = 999;
      second.message.type = 5;
      third.message.fd = 1;
    }),
    [
      "error: fdinfo-3.img, record 0, field id: no file has the id 999",
      "error: fdinfo-3.img, record 1, field id: file 19 is of type REG, not UNIXSK",
      "error: fdinfo-3.img, record 2, field fd: descriptor 1 is there twice",
    ],
  );
  assert.deepEqual(
    afterChange(t, { kind: "FS", id: 7478 }, ([{ message }]) => {
      message.cwd_id = 20;
      message.root_id = 0;
    }),
    [
      "error: fs-7478.img, record 0, field cwd_id: file 20 is of type PIPE, not REG",
      "error: fs-7478.img, record 0, field root_id: no file has the id 0",
    ],
  );
  assert.deepEqual(
    afterChange(t, { kind: "FILES" }, (records) => {
      for (const { message } of records) {
        if (message.memfd?.inode_id === 2) message.memfd.inode_id = 3;
        if (message.tty?.id === 42) message.tty.tty_info_id = 9;
        if (message.usk?.id === 25) message.usk.peer = 1;
        if (message.isk?.id === 34) message.isk.ino = 5;
      }
    }),
    [
      "warning: files.img, record 23, field usk.peer: socket 1 is outside of the checkpoint",
      "error: files.img, record 33, field isk.ino: tcp-stream-5.img is missing",
      "error: files.img, record 40, field memfd.inode_id: memfd.img has no inode 3",
      "error: files.img, record 42, field tty.tty_info_id: tty-info.img has no terminal 9",
      "warning: tcp-stream-41d4fd.img: no socket has this inode number",
    ],
  );
  assert.deepEqual(
    afterChange(t, { kind: "PIPES_DATA" }, ([{ message }]) => {
      message.pipe_id = 1;
    }),
    ["error: pipes-data.img, record 0, field pipe_id: no file is an end of pipe 1"],
  );
  assert.deepEqual(
    afterChange(t, { kind: "SK_QUEUES" }, ([{ message }]) => {
      message.id_for = 20;
    }),
    [
      "error: sk-queues.img, record 0, field id_for: file 20 is of type PIPE, not UNIXSK or INETSK or NETLINKSK or PACKETSK",
    ],
  );
  assert.deepEqual(
    afterChange(t, { kind: "FILE_LOCKS" }, (records) => {
      const [{ message }] = records;
      records.push({ message: { ...message, pid: 1 } });
      message.fd = 99;
    }),
    [
      "error: filelocks.img, record 0, field fd: process 7478 has no descriptor 99",
      "error: filelocks.img, record 1, field pid: the tree has no process 1",
    ],
  );
  assert.deepEqual(
    afterChange(t, { kind: "REMAP_FPATH" }, ([{ message }]) => {
      message.remap_id = 7;
    }),
    [
      "error: remap-fpath.img, record 0, field remap_id: ghost-file-7.img is missing",
      "warning: ghost-file-1.img: no file is remapped to it",
    ],
  );
});

test("the tree: parents, threads, images of each", (t) => {
  const changeTree = (change: (tasks: PstreeEntry[]) => void) =>
    afterChange(t, { kind: "PSTREE" }, (records) => change(records.map(({ message }) => message)));
  assert.deepEqual(
    changeTree((tasks) => {
      tasks[1].ppid = 12;
      tasks[2].threads = [7485, 7480];
    }),
    [
      "error: pstree.img, record 1, field ppid: no process 12 comes before it",
      "error: pstree.img, record 2, field threads: 7480 is also a thread of 7478",
    ],
  );
  const directory = sampleDirectory(t, "zoo");
  for (const name of ["core-7481.img", "mm-7483.img", "ids-7485.img"]) rmSync(join(directory, name));
  const found = lines(directory);
  assert.deepEqual(found, [
    "error: core-7481.img: missing, process 7481 needs it",
    "error: mm-7483.img: missing, process 7483 needs it",
    "error: ids-7485.img: missing, process 7485 needs it",
  ]);
});

test("cgroups: the set of a task is described", (t) => {
  const directory = sampleDirectory(t, "zoo");
  changeImage(directory, { kind: "CGROUP" }, (records) =>
    records.push({ message: { sets: [{ id: 1, ctls: [] }], controllers: [] } }),
  );
  changeImage(directory, { kind: "CORE", id: 7481 }, ([{ message }]) => {
    message.thread_core!.cg_set = 2;
  });
  changeImage(directory, { kind: "CORE", id: 7483 }, ([{ message }]) => {
    message.thread_core!.cg_set = 1;
  });
  assert.deepEqual(lines(directory), [
    "error: core-7481.img, record 0, field thread_core.cg_set: cgroup.img has no set 2",
  ]);
});

test("memory: mappings, pagemaps and pages that do not fit together", (t) => {
  assert.deepEqual(
    afterChange(t, { kind: "MM", id: 7478 }, ([{ message }]) => {
      message.mm_brk = 1n;
      message.exe_file_id = 20;
      message.vmas[0].end += 0x2000n;
      message.mm_saved_auxv.pop();
    }),
    [
      "error: mm-7478.img, record 0, field mm_brk: is below mm_start_brk",
      "error: mm-7478.img, record 0, field mm_saved_auxv: an odd number of words, they come in pairs",
      "error: mm-7478.img, record 0, field exe_file_id: no regular file has the id 20",
      "error: mm-7478.img, record 0, field vmas[1]: 0x41f000-0x6d2000: overlaps the mapping before it, or is out of order",
    ],
  );
  const pagemap = { kind: "PAGEMAP", id: 7478 } as const;
  const pages = (records: ImageRecord<"PAGEMAP">[]) =>
    records.slice(1).map(({ message }) => message as PagemapEntry);
  assert.deepEqual(
    afterChange(t, pagemap, (records) => {
      pages(records)[1].vaddr = 0x1000n;
    }),
    ["error: pagemap-7478.img, record 2: overlaps the entry before it, or is out of order"],
  );
  assert.deepEqual(
    afterChange(t, pagemap, (records) => {
      pages(records)[0].nr_pages = 2n;
    }),
    ["error: pages-3.img: 1489 pages, but pagemap-7478.img has 1490"],
  );
  assert.deepEqual(
    afterChange(t, pagemap, (records) => {
      pages(records)[0].vaddr = 0x1000n;
    }),
    ["error: pagemap-7478.img, record 1: pages from 0x1000 on are in no private mapping"],
  );
  assert.deepEqual(
    afterChange(t, { kind: "SHMEM_PAGEMAP", id: 55234 }, ([{ message }]) => {
      (message as { pages_id: number }).pages_id = 3;
    }),
    [
      "error: pagemap-shmem-55234.img, record 0, field pages_id: pagemap-7478.img has the same pages",
      "error: pages-3.img: 1489 pages, but pagemap-shmem-55234.img has 1",
      "warning: pages-2.img: no pagemap refers to these pages",
    ],
  );
  const cut = sampleDirectory(t, "zoo");
  truncateSync(join(cut, "pages-3.img"), 4096 * 100);
  assert.deepEqual(lines(cut), ["error: pages-3.img: 100 pages, but pagemap-7478.img has 1489"]);
  truncateSync(join(cut, "pages-3.img"), 4097);
  assert.deepEqual(lines(cut), ["error: pages-3.img: 4097 bytes are no whole number of pages"]);
  rmSync(join(cut, "pages-3.img"));
  assert.deepEqual(lines(cut), ["error: pagemap-7478.img, record 0, field pages_id: pages-3.img is missing"]);
});

test("pages of a parent that is not there", (t) => {
  const found = afterChange(t, { kind: "PAGEMAP", id: 7478 }, (records) => {
    const entry = records.at(-1)!.message as PagemapEntry;
    entry.flags = 1;
  });
  assert.equal(found.length, 2);
  assert.match(found[0], /error: pages-3\.img: 1489 pages, but pagemap-7478\.img has 14\d\d/);
  assert.match(
    found[1],
    /error: pagemap-7478\.img: 0x7ff\w+-0x7ff\w+: in the parent checkpoint, which is not here/,
  );
});

test("an image that cannot be parsed is named with the place, and the rest is still checked", (t) => {
  const directory = sampleDirectory(t, "zoo");
  const path = join(directory, "fdinfo-3.img");
  const content = readFileSync(path);
  writeFileSync(path, content.subarray(0, content.length - 1));
  writeFileSync(join(directory, "fs-7478.img"), readFileSync(join(directory, "core-7478.img")));
  assert.deepEqual(lines(directory), [
    "error: fdinfo-3.img, record 29, offset 360: a record of 9 bytes, but only 8 are left",
    "error: fs-7478.img, offset 4: not an image of kind FS but CORE",
  ]);
});

test("the command: lines for people, JSON for machines, exit status", async (t) => {
  const sound = await runCli(["validate", "-D", sampleDirectory(t, "threads")]);
  assert.deepEqual([sound.status, sound.stdout, sound.stderr], [0, "0 errors, 0 warnings\n", ""]);
  const broken = changedSample(t, "zoo", { kind: "FS", id: 7478 }, ([{ message }]) => {
    message.root_id = 0;
  });
  const told = await runCli(["validate", "-D", broken]);
  assert.equal(told.status, 1);
  assert.equal(
    told.stdout,
    "error: fs-7478.img, record 0, field root_id: no file has the id 0\n1 error, 0 warnings\n",
  );
  const json = await runCli(["validate", "-D", broken, "--json"]);
  assert.equal(json.status, 1);
  assert.deepEqual(JSON.parse(json.stdout), {
    valid: false,
    errors: 1,
    warnings: 0,
    findings: [
      {
        severity: "error",
        file: "fs-7478.img",
        record: 0,
        field: "root_id",
        message: "no file has the id 0",
      },
    ],
  });
  const nothing = await runCli(["validate", "-D", temporaryDirectory(t)]);
  assert.equal(nothing.status, 1);
  assert.match(nothing.stderr, /validate: .*: the directory is empty: no checkpoint/);
});

test("damage to any byte of a native checkpoint is found, or the checkpoint cannot be opened", (t) => {
  const directory = join(temporaryDirectory(t), "native");
  convert(openCheckpoint(sampleDirectory(t, "loop-static")), createCheckpoint(directory, "native"));
  const random = new Random(3);
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const content = readFileSync(path);
    for (let round = 0; round < 100; round++) {
      const damaged = Buffer.from(content);
      damaged[random.below(content.length)] ^= 1 << random.below(8);
      writeFileSync(path, damaged);
      let found: Finding[] | undefined;
      try {
        found = findings(directory);
      } catch (error) {
        assert.ok(error instanceof CriuWasmError);
      }
      assert.ok(
        found === undefined || found.some(({ severity }) => severity === "error"),
        `${name}, round ${round}`,
      );
    }
    writeFileSync(path, content);
  }
});

test("mutated checkpoints give findings or errors, never anything else", (t) => {
  const directory = sampleDirectory(t, "zoo");
  const names = readdirSync(directory).filter((name) => !name.startsWith("pages-"));
  const random = new Random(11);
  for (let round = 0; round < 400; round++) {
    const path = join(directory, random.pick(names));
    const content = readFileSync(path);
    const mutated = Buffer.from(content);
    for (let change = random.below(4); change >= 0 && mutated.length > 0; change--) {
      mutated[random.below(mutated.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    }
    writeFileSync(path, random.oneIn(4) ? mutated.subarray(0, random.below(mutated.length + 1)) : mutated);
    try {
      findings(directory);
    } catch (error) {
      assert.ok(error instanceof CriuWasmError, `round ${round}, ${path}: ${(error as Error).stack}`);
    }
    writeFileSync(path, content);
  }
});
