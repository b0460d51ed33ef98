import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Fstype } from "../../ts-host/generated/messages.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import {
  cgroupsOf,
  type HostFacts,
  type Obstacle,
  pathsOf,
  preflight,
} from "../../ts-host/offline/preflight/index.ts";
import { compileProgram, startProgram } from "../support/program.ts";
import {
  changedSample,
  changeImage,
  SAMPLES,
  sampleDirectory,
  temporaryDirectory,
} from "../support/samples.ts";
import { runCli, waitFor } from "../support/victim.ts";

/** A machine on which the zoo can be restored. */
function suitable(directory = join(SAMPLES, "zoo")): {
  checkpoint: ReturnType<typeof openDirectory>;
  host: HostFacts;
} {
  const checkpoint = openDirectory(directory);
  const files: HostFacts["files"] = Object.fromEntries(pathsOf(checkpoint).map((path) => [path, null]));
  for (const { reg } of checkpoint.files.values()) {
    if (!reg) continue;
    const buildId = Buffer.from(new Uint32Array(reg.build_id).buffer).toString("hex");
    const facts = { size: Number(reg.size ?? 0n), mode: reg.mode ?? 0 };
    files[Buffer.from(reg.name).toString()] = buildId === "" ? facts : { ...facts, buildId };
  }
  const host: HostFacts = {
    release: "6.18.0",
    machine: "x86_64",
    pidMax: 32768,
    tasks: { 1: "init" },
    files,
    bound: ["tcp 0.0.0.0:22"],
    filesystems: ["proc", "tmpfs"],
    cgroups: {},
    cpuFlags: ["avx"],
    capabilities: "1ffffffffff",
  };
  return { checkpoint, host };
}

/** What preflight finds, without its progress. */
const obstacles = (checkpoint: ReturnType<typeof openDirectory>, host: HostFacts) =>
  [...preflight(checkpoint, host)].filter((step): step is Obstacle => "severity" in step);

test("a machine that has everything", () => {
  const { checkpoint, host } = suitable();
  assert.deepEqual(obstacles(checkpoint, host), []);
});

test("each obstacle is named, with what to do", () => {
  const { checkpoint, host } = suitable();
  const python = "/usr/bin/python3.11";
  const log = "/srv/demo/zoo/log";
  const cases: [Partial<HostFacts>, RegExp][] = [
    [{ tasks: { 7481: "thief" } }, /pid: 7481 is taken by thief .*--shift-pids/],
    [{ pidMax: 7484 }, /pid: 7485 is above the largest pid of 7484 .*pid_max/],
    [{ files: { ...host.files, [log]: null } }, /file: \/srv\/demo\/zoo\/log is gone .*--path/],
    [
      { files: { ...host.files, [python]: { size: 1, mode: 33261 } } },
      /python3\.11 has 1 bytes, it had 6831736/,
    ],
    [
      { files: { ...host.files, [python]: { size: 6831736, mode: 33188 } } },
      /has mode 0100644, it had 0100755/,
    ],
    [
      { files: { ...host.files, [python]: { size: 6831736, mode: 33261, buildId: "00" } } },
      /is another build: 00, it was 571d98e0/,
    ],
    [
      { files: { ...host.files, "/srv/demo/zoo/listen.sock": { size: 0, mode: 0 } } },
      /listen\.sock is there, where a socket is to be made .*remove it/,
    ],
    [{ bound: ["tcp 0.0.0.0:33271"] }, /port: tcp 127\.0\.0\.1:33271 is in use .*--port/],
    [{ bound: ["udp 127.0.0.1:42216"] }, /port: udp 127\.0\.0\.1:42216 is in use/],
    [{ machine: "aarch64" }, /CPU: needs a x86_64 processor, not aarch64/],
    [{ capabilities: "0" }, /privileges: no right to choose pids .*root/],
    [{ release: "5.4.0-generic" }, /kernel: 5\.4\.0-generic cannot give a process its pid/],
  ];
  for (const [difference, expected] of cases) {
    const found = obstacles(checkpoint, { ...host, ...difference });
    assert.equal(found.length, 1, `${expected}: ${JSON.stringify(found)}`);
    const [{ about, message, remedy }] = found;
    assert.match(`${about}: ${message} ${remedy}`, expected);
  }
  assert.deepEqual(
    obstacles(checkpoint, { ...host, bound: ["udp 127.0.0.1:33271", "tcp 10.0.0.1:33271"] }),
    [],
  );
});

test("ports and pids of namespaces of the processes' own are in nobody's way", (t) => {
  const directory = sampleDirectory(t, "zoo");
  const { root_ids } = openDirectory(directory).inventory;
  const other = root_ids!.net_ns_id! + 1;
  changeImage(directory, { kind: "FILES" }, (records) => {
    for (const { message } of records) if (message.isk?.src_port === 33271) message.isk.ns_id = other;
  });
  const { checkpoint, host } = suitable(directory);
  const bound = ["tcp 0.0.0.0:33271", "udp 127.0.0.1:42216"];
  assert.deepEqual(summary(obstacles(checkpoint, { ...host, bound })), [
    "error: port: udp 127.0.0.1:42216 is in use",
  ]);
  const tasks = { 7481: "thief" };
  assert.equal(obstacles(checkpoint, { ...host, tasks }).length, 1);
  changeImage(directory, { kind: "IDS", id: checkpoint.root.pid }, ([{ message }]) => {
    message.pid_ns_id = root_ids!.pid_ns_id! + 1;
  });
  assert.deepEqual(obstacles(openDirectory(directory), { ...host, tasks }), []);
});

const summary = (found: Obstacle[]) =>
  found.map(({ severity, about, message }) => `${severity}: ${about}: ${message}`);

test("mounts of a namespace of the processes' own: file systems, sources, what comes from outside", (t) => {
  const directory = changedSample(t, "namespaces", { kind: "MNTS", id: 13 }, (mounts) => {
    const mount = (mountpoint: string) =>
      mounts.find(({ message }) => Buffer.from(message.mountpoint).toString() === mountpoint)!.message;
    const [overlay] = mounts;
    const { ext_key: _, ...shared } = mount("/dev/shm");
    mounts.push(
      {
        message: {
          ...overlay.message,
          mnt_id: 900,
          fstype: Fstype.OVERLAYFS,
          mountpoint: Buffer.from("/layers"),
        },
      },
      {
        message: {
          ...shared,
          mnt_id: 901,
          fstype: Fstype.AUTO,
          fsname: Buffer.from("ext4"),
          source: Buffer.from("/dev/sdx1"),
        },
      },
      {
        message: { ...shared, mnt_id: 902, mountpoint: Buffer.from("/data"), ext_key: Buffer.from("volume") },
      },
    );
  });
  const { checkpoint, host } = suitable(directory);
  for (const path of Object.keys(host.files)) host.files[path] ??= { size: 0, mode: 0 };
  const outside = "warning: mount: 19 mounts come from outside, by the paths that the dump has found";
  const own =
    "warning: file: 4 in mounts of the processes' own are not looked at, /srv/demo/nsloop among them";
  const volume = "warning: external: volume has to be given to the restore";
  assert.ok(pathsOf(checkpoint).includes("/dev/sdx1") && pathsOf(checkpoint).includes("/sys/fs/cgroup/pids"));
  assert.ok(!pathsOf(checkpoint).includes("/srv/demo/nsloop"));
  assert.deepEqual(summary(obstacles(checkpoint, host)), [
    own,
    "error: mount: the kernel knows no file system overlay",
    "error: mount: the kernel knows no file system ext4",
    outside,
    volume,
  ]);
  host.filesystems.push("overlay", "ext4");
  assert.deepEqual(summary(obstacles(checkpoint, host)), [own, outside, volume]);
  host.files["/dev/sdx1"] = null;
  host.files["/sys/fs/cgroup/pids"] = null;
  assert.deepEqual(summary(obstacles(checkpoint, host)), [
    own,
    "error: mount: /sys/fs/cgroup/pids is gone, which was mounted at /sys/fs/cgroup/pids",
    "error: mount: /dev/sdx1 is gone, which was mounted at /dev/shm",
    outside,
    volume,
  ]);
});

/** The zoo in two cgroups, and another that none of its processes is in. */
function inCgroups(t: TestContext): string {
  const directory = sampleDirectory(t, "zoo");
  const member = (name: string, path: string) => ({ name: Buffer.from(name), path: Buffer.from(path) });
  changeImage(directory, { kind: "CGROUP" }, (records) => {
    const sets = [
      {
        id: 1,
        ctls: [
          member("cpu,cpuacct", "/docker/1"),
          member("", "/no/such/cgroup"),
          member("pids", "/no/such/cgroup"),
        ],
      },
      { id: 2, ctls: [member("pids", "/unused")] },
    ];
    records.push({ message: { sets, controllers: [] } });
  });
  for (const id of [7478, 7480, 7481, 7482, 7483, 7485]) {
    changeImage(directory, { kind: "CORE", id }, ([{ message }]) => {
      message.thread_core!.cg_set = 1;
    });
  }
  return directory;
}

test("cgroups of the processes: hierarchies and directories that are not there", (t) => {
  const { checkpoint, host } = suitable(inCgroups(t));
  assert.deepEqual(cgroupsOf(checkpoint), [
    "cpu,cpuacct:/docker/1",
    ":/no/such/cgroup",
    "pids:/no/such/cgroup",
  ]);
  const there = Object.fromEntries(cgroupsOf(checkpoint).map((cgroup) => [cgroup, "there"] as const));
  assert.deepEqual(obstacles(checkpoint, { ...host, cgroups: there }), []);
  const cgroups = {
    "cpu,cpuacct:/docker/1": "no hierarchy",
    ":/no/such/cgroup": "no cgroup",
    "pids:/no/such/cgroup": "no cgroup",
  } as const;
  const found = obstacles(checkpoint, { ...host, cgroups });
  assert.deepEqual(summary(found), [
    "warning: cgroup: a hierarchy of cpu,cpuacct is not mounted, processes were in /docker/1 of it",
    "warning: cgroup: /no/such/cgroup is gone from the hierarchy of version 2, a hierarchy of pids",
  ]);
  assert.match(found[1].remedy, /start the restore in it, or name another with criu-wasm rewrite --cgroup/);
  assert.equal(obstacles(checkpoint, host)[0].message, "cpu,cpuacct:/docker/1: nothing is known of it");
});

test("the facts of this machine about cgroups and file systems", async (t) => {
  if (process.platform !== "linux") return t.skip("needs Linux");
  const { stdout } = await runCli(["preflight", "-D", inCgroups(t), "--facts"]);
  const facts = JSON.parse(stdout) as HostFacts;
  assert.ok(facts.filesystems.includes("proc") && facts.filesystems.includes("tmpfs"));
  assert.notEqual(facts.cgroups[":/no/such/cgroup"], "there");
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const hasVersion2 = / - cgroup2 /.test(mounts);
  assert.equal(facts.cgroups[":/no/such/cgroup"], hasVersion2 ? "no cgroup" : "no hierarchy");
});

test("facts that are none", async (t) => {
  const file = join(temporaryDirectory(t), "facts.json");
  const refusal = async (content: unknown) => {
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    const { status, stderr } = await runCli(["preflight", "-D", join(SAMPLES, "zoo"), "--host", file]);
    assert.equal(status, 1);
    return stderr;
  };
  assert.match(
    await refusal("no JSON"),
    /facts\.json: no facts of a machine: Unexpected token .*--facts prints them/,
  );
  assert.match(await refusal("null"), /no facts of a machine: release is missing, or is something else/);
  const { host } = suitable();
  assert.match(await refusal({ ...host, bound: {} }), /bound is missing, or is something else/);
  assert.match(await refusal({ ...host, cgroups: undefined }), /cgroups is missing/);
});

test("the verb: this machine, its facts, and the facts of another", async (t) => {
  const folder = temporaryDirectory(t);
  const zoo = sampleDirectory(t, "zoo");
  if (process.platform !== "linux") return t.skip("needs Linux");
  const here = await runCli(["preflight", "-D", zoo]);
  assert.equal(here.status, 1);
  assert.match(here.stdout, /error: file: \/srv\/demo\/zoo\/log is gone\n {4}put it there/);
  const facts = await runCli(["preflight", "-D", zoo, "--facts"]);
  const host = JSON.parse(facts.stdout) as HostFacts;
  assert.equal(host.files["/srv/demo/zoo/log"], null);
  assert.ok(host.tasks[process.pid] !== undefined && host.pidMax > 0 && host.files["/dev/null"]);
  const file = join(folder, "host.json");
  writeFileSync(file, JSON.stringify(suitable().host));
  const elsewhere = await runCli(["preflight", "-D", zoo, "--host", file, "--json"]);
  assert.deepEqual(JSON.parse(elsewhere.stdout), { restorable: true, obstacles: [] });
});

test("a program that was dumped and still runs: its pid is taken, and nothing else is wrong", async (t) => {
  const folder = temporaryDirectory(t);
  const program = compileProgram(t, "mover.c", folder);
  if (program === undefined) return;
  mkdirSync(join(folder, "place"));
  const pid = startProgram(t, program, [join(folder, "place")], join(folder, "output"));
  await waitFor(
    () => "the program has begun",
    () => existsSync(join(folder, "place", "log")),
  );
  const images = join(folder, "images");
  const dumped = await runCli(["dump", "-t", `${pid}`, "-D", images, "-s"]);
  assert.equal(dumped.status, 0, dumped.stderr);
  const { stdout } = await runCli(["preflight", "-D", images, "--json"]);
  const { obstacles } = JSON.parse(stdout) as { obstacles: { message: string }[] };
  assert.deepEqual(
    obstacles.map(({ message }) => message),
    [`${pid} is taken by mover`],
  );
});
