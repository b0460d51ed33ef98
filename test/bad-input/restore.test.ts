/**
 * Restores of checkpoints that are damaged, incomplete, or do not fit this machine: an error that says what is
 * wrong and where, status 1, and no process. All in the process of the test, as there are hundreds of them.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { IMAGE_KINDS, type ImageKind } from "../../ts-host/generated/messages.ts";
import type { ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { parseImage, parseImageFileName, writeImage } from "../../ts-host/images/framing.ts";
import { tryCall } from "../../ts-host/native/calls.ts";
import { spawnSeed } from "../../ts-host/native/ffi.ts";
import { headerSize, recordOffsets, withWord } from "../support/damage.ts";
import { command } from "../support/in-process.ts";
import { temporaryDirectory } from "../support/samples.ts";
import { mustRun, startVictim, taskState, type Victim, waitFor } from "../support/victim.ts";
import { victims } from "../victims/catalogue.ts";

const SIGKILL = 9;

interface Subject {
  victim: Victim;
  images: string;
}

/** A process, by default one with several open files, dumped and gone. */
async function dumped(
  t: TestContext,
  format: "native" | "criu",
  name = "file-offset",
): Promise<Subject | undefined> {
  const victim = await startVictim(t, victims.find((entry) => entry.name === name)!);
  if (!victim) return undefined;
  const images = join(victim.dir, "images");
  await mustRun(["dump", "-t", String(victim.pid), "-D", images, "--format", format], victim.dir);
  await victim.waitGone();
  return { victim, images };
}

/** What a restore says that has to fail and to leave no process. */
async function refusal({ victim, images }: Subject, what: string): Promise<string> {
  const { status, stderr, stdout } = await command("restore", "-d", "-D", images);
  const { pid } = victim;
  if (status === 0) {
    tryCall("kill", pid, SIGKILL);
    tryCall("wait4", pid, 0, 0, 0);
  }
  assert.equal(status, 1, `${what}: a restore went through`);
  assert.equal(taskState(pid), undefined, `${what}: a process is left, after: ${stderr}`);
  assert.doesNotMatch(stderr, /internal error/, what);
  assert.match(stderr, /^criu-wasm: restore: [^\n]+\n$/, what);
  assert.equal(stdout.length, 0);
  return stderr;
}

/** That the subject, whatever was done to it before, comes back in the end. */
async function assertRestores({ victim, images }: Subject): Promise<void> {
  await mustRun(["restore", "-d", "-D", images], victim.dir);
  victim.go();
  await victim.expectPass();
}

/** Damage that cannot be known: nothing else in CRIU's images tells of what is cut off. */
function cannotBeKnown(kind: ImageKind, records: ImageRecord[], left: number): boolean {
  // The process has no filter; nobody needs statistics, nor clocks outside of a time namespace.
  if (kind === "SECCOMP" || kind === "STATS" || kind === "TIMENS") return true;
  // Another descriptor is open on the same file.
  const ids = records.map(({ message }) => (message as { id: number }).id);
  return kind === "FDINFO" && ids.slice(left).every((id) => ids.slice(0, left).includes(id));
}

test("images of CRIU's format, each cut between records, with a size of 2^32-1, a wrong magic, and missing", async (t) => {
  const subject = await dumped(t, "criu");
  if (!subject) return;
  const files = readdirSync(subject.images).filter(
    (file) => IMAGE_KINDS[parseImageFileName(file)!.kind].messages.length > 0,
  );
  assert.ok(files.length >= 10);
  for (const file of files) {
    const path = join(subject.images, file);
    const bytes = readFileSync(path);
    const { kind } = parseImageFileName(file)!;
    const records = parseImage(kind, bytes) as ImageRecord[];
    const named = async (what: string, content: Uint8Array | undefined, message: RegExp) => {
      if (content === undefined) rmSync(path);
      else writeFileSync(path, content);
      const told = await refusal(subject, `${file} ${what}`);
      assert.match(told, message, `${file} ${what}`);
    };
    const here = `${file.replaceAll(".", "\\.")}`;
    const missing = `${here}: no such file|is used by nothing|${here} (is missing|does not have)`;
    for (const [record, offset] of recordOffsets(kind, bytes).entries()) {
      await named(
        `record ${record} of 2^32-1 bytes`,
        withWord(bytes, offset, 0xffffffff),
        new RegExp(`${here}, record ${record}, offset ${offset + 4}: a record of 4294967295 bytes, but only`),
      );
      if (!cannotBeKnown(kind, records, record)) {
        const cut = `${here}(, record \\d+)?: (no record: the image was cut|lists \\d+ pages, but|no file has the id)`;
        await named(
          `cut before record ${record}`,
          bytes.subarray(0, offset),
          new RegExp(`${cut}|is used by nothing|which ${here} does not have`),
        );
      }
      if (offset + 5 >= bytes.length) continue;
      await named(
        `cut inside record ${record}`,
        bytes.subarray(0, offset + 5),
        new RegExp(`${here}, record ${record}, offset ${offset + 4}: a record of \\d+ bytes, but only 1`),
      );
    }
    const wrong = withWord(bytes, headerSize(kind) - 4, 0x01020304);
    await named("with a wrong magic", wrong, new RegExp(`${here}, offset \\d: not an image of kind ${kind}`));
    await named("empty", Buffer.alloc(0), new RegExp(`${here}, offset 0: ends in the middle of the header`));
    if (!cannotBeKnown(kind, records, 0)) await named("missing", undefined, new RegExp(missing));
    writeFileSync(path, bytes);
  }
  await assertRestores(subject);
});

test("pages of CRIU's format: cut, too many, and missing", async (t) => {
  const subject = await dumped(t, "criu");
  if (!subject) return;
  const path = join(subject.images, "pages-1.img");
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, -4096));
  assert.match(
    await refusal(subject, "a page less"),
    /pagemap-\d+.img, record \d+: lists (\d+) pages, but \d+ are/,
  );
  writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(4096)]));
  assert.match(await refusal(subject, "a page more"), /lists \d+ pages, but \d+ are stored for it/);
  writeFileSync(path, bytes.subarray(0, -1));
  assert.match(await refusal(subject, "a byte less"), /pages-1.img: \d+ bytes are no whole number of pages/);
  rmSync(path);
  assert.match(await refusal(subject, "none"), /pages-1.img: no such file/);
  writeFileSync(path, bytes);
  await assertRestores(subject);
});

test("a native checkpoint with any part cut or changed", async (t) => {
  const subject = await dumped(t, "native");
  if (!subject) return;
  const files = readdirSync(subject.images);
  assert.equal(files.length, 2);
  for (const file of files) {
    const path = join(subject.images, file);
    const bytes = readFileSync(path);
    const step = Math.ceil(bytes.length / 40);
    for (let at = 0; at < bytes.length; at += step) {
      writeFileSync(path, bytes.subarray(0, at));
      assert.match(await refusal(subject, `${file} cut at ${at}`), new RegExp(`${file}`));
      const changed = Buffer.from(bytes);
      changed[at] ^= 0x10;
      writeFileSync(path, changed);
      assert.match(await refusal(subject, `${file} changed at ${at}`), new RegExp(`${file}`));
    }
    rmSync(path);
    assert.match(await refusal(subject, `${file} missing`), new RegExp(`${file}`));
    writeFileSync(path, bytes);
  }
  await assertRestores(subject);
});

test("a page that is damaged is told by file, process and address", async (t) => {
  const subject = await dumped(t, "native");
  if (!subject) return;
  const { images, victim } = subject;
  const pack = readdirSync(images).find((name) => name.endsWith(".pack"))!;
  const path = join(images, pack);
  const bytes = readFileSync(path);
  const addresses = new Set<string>();
  for (const part of [0.1, 0.5, 0.9]) {
    const damaged = Buffer.from(bytes);
    damaged[Math.floor(part * bytes.length)]! ^= 0x10;
    writeFileSync(path, damaged);
    const told = await refusal(subject, `changed at ${part}`);
    const wrong = "pages \\d+ to \\d+ of the pack: checksum differs";
    const place = new RegExp(
      `pid ${victim.pid} \\(file-offset\\),.*${pack}, offset \\d+: ${wrong}: the page at (0x\\w+) of process ${victim.pid} `,
    );
    assert.match(told, place);
    const [, address] = place.exec(told)!;
    // What looks at all pages says the same of the first that is damaged.
    const { stdout } = await command("validate", "-D", images);
    assert.match(stdout.toString(), new RegExp(`${pack}.* ${address}-0x`));
    addresses.add(address!);
  }
  assert.ok(addresses.size >= 2);
  writeFileSync(path, bytes);
  await assertRestores(subject);
});

/** Changes the records of an image of the subject. */
function change<K extends ImageKind>(
  { images }: Subject,
  kind: K,
  file: string,
  edit: (records: ImageRecord<K>[]) => void,
): void {
  const path = join(images, file);
  const records = parseImage(kind, readFileSync(path));
  edit(records);
  writeFileSync(path, writeImage(kind, records));
}

test("images that do not fit together: pids, ids, versions, several processes, deep nesting", async (t) => {
  const subject = await dumped(t, "criu");
  if (!subject) return;
  const { pid } = subject.victim;
  const wrong = async <K extends ImageKind>(
    kind: K,
    file: string,
    edit: (records: ImageRecord<K>[]) => void,
    message: RegExp,
  ) => {
    const path = join(subject.images, file);
    const bytes = readFileSync(path);
    change(subject, kind, file, edit);
    assert.match(await refusal(subject, String(message)), message);
    writeFileSync(path, bytes);
  };
  await wrong(
    "PSTREE",
    "pstree.img",
    ([root]) => (root!.message.pid = pid + 1),
    /core-\d+.img: no such file/,
  );
  await wrong(
    "PSTREE",
    "pstree.img",
    ([root]) => root!.message.threads.push(pid + 1),
    /core-\d+.img: no such file/,
  );
  await wrong(
    "PSTREE",
    "pstree.img",
    (records) => records.push(structuredClone(records[0]!)),
    /pstree.img: 2 processes: trees are not supported yet/,
  );
  await wrong(
    "INVENTORY",
    "inventory.img",
    ([inventory]) => (inventory!.message.img_version = 77),
    /inventory.img, record 0, field img_version: version 77 of the images is not known/,
  );
  await wrong(
    "CORE",
    `core-${pid}.img`,
    ([core]) => delete core!.message.tc,
    /core-\d+.img, record 0, field tc: required field is missing/,
  );
  await wrong(
    "CORE",
    `core-${pid}.img`,
    ([core]) => delete core!.message.thread_info,
    /core-\d+.img, record 0, field thread_info: required field is missing/,
  );
  await wrong(
    "FDINFO",
    "fdinfo-2.img",
    ([first]) => (first!.message.id = 4321),
    /fdinfo-2.img, record 0: refers to file 4321, which files.img does not have/,
  );
  await wrong(
    "MM",
    `mm-${pid}.img`,
    ([mm]) => (mm!.message.exe_file_id = 4321),
    /mm-\d+.img, record 0: refers to file 4321, which/,
  );

  writeFileSync(join(subject.images, "apparmor.img"), deepImage(100));
  assert.match(await refusal(subject, "nesting"), /apparmor.img, record 0, .*nested deeper than 64 levels/);
  rmSync(join(subject.images, "apparmor.img"));
  await assertRestores(subject);
});

/** An image of AppArmor's namespaces, each in another. */
function deepImage(levels: number): Buffer {
  let message = Buffer.alloc(0);
  const field = (number: number, content: Buffer) => {
    const length = [];
    for (let left = content.length; ; left >>>= 7) {
      length.push(left > 127 ? (left & 127) | 128 : left);
      if (left <= 127) break;
    }
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
  };
  // apparmor_entry has its namespaces in field 1, aa_namespace its name in 1 and namespaces in 3.
  for (let level = 0; level < levels; level++)
    message = Buffer.concat([field(1, Buffer.from("n")), ...(message.length > 0 ? [field(3, message)] : [])]);
  const entry = field(1, message);
  const header = Buffer.alloc(12);
  header.writeUInt32LE(0x54564319, 0);
  header.writeUInt32LE(Number(IMAGE_KINDS.APPARMOR.magic), 4);
  header.writeUInt32LE(entry.length, 8);
  return Buffer.concat([header, entry]);
}

test("what has changed on the machine is said, with what to do", async (t) => {
  const subject = await dumped(t, "criu");
  if (!subject) return;
  const { victim, images } = subject;
  const output = join(victim.dir, "output");
  renameSync(output, `${output}.away`);
  assert.match(
    await refusal(subject, "a file is gone"),
    /pid \d+ \(file-offset\), files, .*output: the file is gone \(put it back where it was\)/,
  );
  mkdirSync(output);
  assert.match(
    await refusal(subject, "a directory in its place"),
    /has changed .*: its mode was 0100\d+ and is 040755/,
  );
  rmSync(output, { recursive: true });
  renameSync(`${output}.away`, output);
  const other = join(victim.dir, "file");
  const content = readFileSync(other);
  appendFileSync(other, "more");
  assert.match(
    await refusal(subject, "a file has grown"),
    /file: the file has changed since the dump: its size was \d+ bytes and is \d+ \(bring back the file as it was\)/,
  );
  writeFileSync(other, content);
  const files = readFileSync(join(images, "files.img"));
  change(subject, "FILES", "files.img", (records) => {
    const program = records.find(({ message }) => (message.reg?.build_id.length ?? 0) > 0);
    const words = program!.message.reg!.build_id;
    words[0] = (words[0]! ^ 1) >>> 0;
  });
  assert.match(
    await refusal(subject, "the program is another build"),
    /the file has changed since the dump: its build id was [0-9a-f]{40} and is [0-9a-f]{40}/,
  );
  writeFileSync(join(images, "files.img"), files);
  await assertRestores(subject);
});

test("a pid that is taken: by whom, and what to do", async (t) => {
  const subject = await dumped(t, "native");
  if (!subject) return;
  await mustRun(["restore", "-d", "-D", subject.images], subject.victim.dir);
  const { status, stderr } = await command("restore", "-d", "-D", subject.images);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /its pid is taken by file-offset \(end that process, or restore in another pid namespace\)/,
  );
  subject.victim.go();
  await subject.victim.expectPass();
});

test("a thread id that is taken: by whom", async (t) => {
  const subject = await dumped(t, "criu", "thread-names");
  if (!subject) return;
  const ids = readdirSync(subject.images).map((file) => Number(/^core-(\d+)\.img$/.exec(file)?.[1]));
  const taken = ids.find((id) => id > 0 && id !== subject.victim.pid)!;
  await waitFor(
    () => `somebody else has the id ${taken}`,
    () => spawnSeed(taken) === taken,
  );
  await waitFor(
    () => "it does not begin",
    () => readFileSync(`/proc/${taken}/comm`, "utf8") === "seed\n",
  );
  try {
    assert.match(
      await refusal(subject, "taken"),
      new RegExp(`its thread id ${taken} is taken by seed \\(end`),
    );
  } finally {
    tryCall("kill", taken, SIGKILL);
    tryCall("wait4", taken, 0, 0, 0);
  }
  await assertRestores(subject);
});

test("no checkpoint: an empty directory, someone else's, none at all, a file, one whose dump has not finished", async (t) => {
  const directory = temporaryDirectory(t);
  const say = async (path: string) => {
    const { status, stderr } = await command("restore", "-d", "-D", path);
    assert.equal(status, 1);
    return stderr;
  };
  assert.match(await say(directory), /restore: .*: the directory is empty: no checkpoint\n$/);
  assert.match(await say(join(directory, "absent")), /restore: .*absent: no such directory\n$/);
  writeFileSync(join(directory, "photo.jpg"), "");
  assert.match(await say(directory), /restore: .*: no checkpoint, but other files: photo.jpg\n$/);
  assert.match(
    await say(join(directory, "photo.jpg")),
    /restore: .*photo.jpg: not a directory \(criu-wasm convert .*\)\n$/,
  );
  writeFileSync(join(directory, "core-5.img"), "");
  assert.match(await say(directory), /incomplete images: inventory.img is missing/);
  mkdirSync(join(directory, ".incomplete-1-abcd"));
  assert.match(await say(directory), /an incomplete checkpoint: its dump has not finished/);
});
