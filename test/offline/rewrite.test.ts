import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openDirectory } from "../../ts-host/offline/node.ts";
import type { Edit } from "../../ts-host/offline/rewrite/index.ts";
import { describeFinding, validate } from "../../ts-host/offline/validate/index.ts";
import { compileProgram, startProgram } from "../support/program.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";
import { runCli, taskState, waitFor } from "../support/victim.ts";

/** Rewrites a sample; what was changed, and the new checkpoint, which has to be sound. */
async function rewritten(t: TestContext, sample: string, ...changes: string[]) {
  const out = join(temporaryDirectory(t), "new");
  const { status, stdout, stderr } = await runCli([
    "rewrite",
    "-D",
    sampleDirectory(t, sample),
    "-o",
    out,
    "--json",
    ...changes,
  ]);
  assert.equal(status, 0, stderr);
  const checkpoint = openDirectory(out);
  t.after(() => checkpoint.close());
  assert.deepEqual([...validate(checkpoint)].map(describeFinding), []);
  const { edits } = JSON.parse(stdout) as { edits: Edit[] };
  return {
    checkpoint,
    edits: edits.map(({ file, field, before, after }) => `${file} ${field}: ${before} -> ${after}`),
  };
}

async function refusal(t: TestContext, sample: string, ...changes: string[]): Promise<string> {
  const out = join(temporaryDirectory(t), "new");
  const { status, stderr } = await runCli([
    "rewrite",
    "-D",
    sampleDirectory(t, sample),
    "-o",
    out,
    ...changes,
  ]);
  assert.equal(status, 1);
  assert.ok(!existsSync(out), "nothing was written");
  return stderr.trim();
}

test("paths of files, sockets and watches, and working directories", async (t) => {
  const { checkpoint, edits } = await rewritten(
    t,
    "zoo",
    "--path",
    "/srv/demo=/opt/moved",
    "--cwd",
    "7483:/tmp",
  );
  assert.deepEqual(edits, [
    "files.img reg.name: /srv/demo/zoo/fifo -> /opt/moved/zoo/fifo",
    "files.img usk.name_dir: /srv/demo/zoo -> /opt/moved/zoo",
    "files.img ify.wd[0].f_handle.path: /srv/demo/zoo -> /opt/moved/zoo",
    "files.img reg.name: /srv/demo/zoo/ghost -> /opt/moved/zoo/ghost",
    "files.img reg.name: /srv/demo/zoo/locked -> /opt/moved/zoo/locked",
    "files.img reg.name: /srv/demo/zoo/log -> /opt/moved/zoo/log",
    "files.img reg.name: /srv/demo/zoo -> /opt/moved/zoo",
    "files.img reg.name: /srv/demo/zoo -> /opt/moved/zoo",
    "files.img reg.name: /srv/demo/zoo -> /opt/moved/zoo",
    "files.img reg.name:  -> /tmp",
    "fs-7483.img cwd_id: 52 -> 56",
  ]);
  assert.equal(checkpoint.process(7478).workingDirectory, "/opt/moved/zoo");
  assert.equal(checkpoint.process(7483).workingDirectory, "/tmp");
  const lines = new Map(checkpoint.process(7478).descriptors.map(({ fd, text }) => [fd, text]));
  assert.equal(lines.get(28), "/opt/moved/zoo/log");
  assert.equal(lines.get(11), "unix stream /opt/moved/zoo/listen.sock listening");
});

test("addresses and ports, both ends of connections inside", async (t) => {
  const { checkpoint, edits } = await rewritten(
    t,
    "zoo",
    "--address",
    "127.0.0.1=10.1.2.3",
    "--port",
    "33271=80",
  );
  assert.equal(edits.length, 9);
  const lines = new Map(checkpoint.process(7478).descriptors.map(({ fd, text }) => [fd, text]));
  assert.deepEqual(
    [13, 14, 15, 16, 17].map((fd) => lines.get(fd)),
    [
      "tcp 10.1.2.3:80 listening",
      "udp 10.1.2.3:42216",
      "udp [::1]:33845",
      "tcp 10.1.2.3:58386 -> 10.1.2.3:80",
      "tcp 10.1.2.3:80 -> 10.1.2.3:58386",
    ],
  );
  const six = await rewritten(t, "zoo", "--address", "::1=fe80::1:2");
  assert.deepEqual(six.edits, ["files.img isk.src_addr: ::1 -> fe80::1:2"]);
  assert.match(
    await refusal(t, "zoo", "--port", "33271=42216", "--address", "1.2.3.4=::1"),
    /are of two families/,
  );
  assert.match(
    await refusal(t, "zoo", "--port", "58386=33271"),
    /127\.0\.0\.1:33271 is taken by another socket of the checkpoint/,
  );
});

test("pids, everywhere they stand", async (t) => {
  const { checkpoint } = await rewritten(t, "zoo", "--shift-pids", "1000");
  assert.deepEqual(
    checkpoint.processes.map(({ pid, parentPid, tids, entry: { pgid, sid } }) => [
      pid,
      parentPid,
      tids,
      pgid,
      sid,
    ]),
    [
      [8478, 0, [8478, 8480, 8481, 8482], 8478, 8478],
      [8483, 8478, [8483], 8483, 8483],
      [8485, 8483, [8485], 8483, 8483],
      [8484, 8478, [8484], 8478, 8478],
    ],
  );
  assert.equal(checkpoint.read({ kind: "FILE_LOCKS" })[0].message.pid, 8478);
  assert.ok(!checkpoint.list().some(({ id }) => id === 7478));
  assert.equal(checkpoint.process(8483).descriptors.length, 30);
  assert.match(await refusal(t, "zoo", "--shift-pids=-8000"), /7478 would become -522, which is no pid/);
});

test("host name, external names, flags of open files, limits", async (t) => {
  const named = await rewritten(t, "namespaces", "--hostname", "elsewhere");
  assert.equal(named.edits.length, 1);
  assert.match(named.edits[0], /^utsns-12\.img nodename: .* -> elsewhere$/);
  const external = await rewritten(t, "namespaces", "--external", "CRIU:AUTOGENERATED=mine");
  assert.ok(
    external.edits.length > 10 &&
      external.edits.every((edit) => edit.startsWith("mountpoints-13.img ext_key: ")),
  );
  const flags = await rewritten(t, "zoo", "--open-flags", "/srv/demo/zoo/log=-O_APPEND,+O_NONBLOCK");
  assert.deepEqual(flags.edits, ["files.img reg.flags: 0102001 -> 0104001"]);
  const limits = await rewritten(t, "loop-static", "--limit", "nofile=300:400");
  assert.equal(limits.edits.length, 1);
  assert.deepEqual(limits.checkpoint.root.core.tc!.rlimits!.rlimits[7], { cur: 300n, max: 400n });
});

test("what cannot be changed safely is refused with the reason", async (t) => {
  const cases: [sample: string, changes: string[], RegExp][] = [
    ["zoo", ["--hostname", "x"], /the processes share the name of the host, it is not theirs to change/],
    [
      "zoo",
      ["--path", "/srv/demo/zoo/log=/srv/demo/zoo/locked"],
      /\/srv\/demo\/zoo\/log would become \/srv\/demo\/zoo\/locked, which is another file/,
    ],
    [
      "zoo",
      ["--path", "/nowhere=/else"],
      /path \/nowhere=\/else: nothing in the checkpoint is affected by it/,
    ],
    ["zoo", ["--path", "relative=/x"], /not an absolute path: relative/],
    [
      "zoo",
      ["--open-flags", "/srv/demo/zoo/log=+O_RDWR"],
      /only O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME can be changed/,
    ],
    ["zoo", ["--limit", "nofile=100"], /descriptor 251 is open, above the limit of 100/],
    ["zoo", ["--limit", "nofile=9:3"], /the soft limit is above the hard one/],
    ["zoo", ["--limit", "colour=1"], /no limit is called colour/],
    ["zoo", ["--cwd", "1:/tmp"], /no process 1 in this checkpoint/],
    ["zoo", [], /there is nothing to change/],
  ];
  for (const [sample, changes, reason] of cases) assert.match(await refusal(t, sample, ...changes), reason);
});

test("a dry run tells and writes nothing", async (t) => {
  const { status, stdout } = await runCli([
    "rewrite",
    "-D",
    sampleDirectory(t, "zoo"),
    "--dry-run",
    "--port",
    "42216=53",
  ]);
  assert.equal(status, 0);
  assert.equal(stdout, "files.img, record 31, isk.src_port: 42216 -> 53\n1 value would be changed\n");
});

test("a program finds its file, its directory and its pid changed when it is restored", async (t) => {
  const folder = temporaryDirectory(t);
  const program = compileProgram(t, "mover.c", folder);
  if (program === undefined) return;
  const [old, young] = [join(folder, "old"), join(folder, "young")];
  mkdirSync(old);
  const pid = startProgram(t, program, [old], join(folder, "output"));
  const log = (place: string) =>
    existsSync(join(place, "log")) ? readFileSync(join(place, "log"), "utf8").trimEnd().split("\n") : [];
  await waitFor(
    () => "the program writes",
    () => log(old).length > 3,
  );
  const must = async (...args: string[]) => {
    const { status, stderr } = await runCli(args);
    assert.equal(status, 0, `${args[0]}: ${stderr}`);
  };
  const [images, changed] = [join(folder, "images"), join(folder, "changed")];
  await must("dump", "-t", `${pid}`, "-D", images);
  await waitFor(
    () => "the program is gone",
    () => taskState(pid) === undefined || taskState(pid) === "Z",
  );
  renameSync(old, young);
  const before = log(young).length;
  const distance = pid > 20_000 ? -7 : 7;
  await must(
    "rewrite",
    "-D",
    images,
    "-o",
    changed,
    "--path",
    `${old}=${young}`,
    "--shift-pids",
    `${distance}`,
  );
  await must("restore", "-d", "-D", changed);
  t.after(() => process.kill(pid + distance, "SIGKILL"));
  const lines = await waitFor(
    () => "the program writes where its file is now",
    () => (log(young).length > before + 3 ? log(young).slice(before) : undefined),
  );
  for (const line of lines.slice(1, 3)) {
    assert.match(line, new RegExp(`pid ${pid + distance} tid ${pid + distance} alive 0 cwd ${young}$`));
  }
});
