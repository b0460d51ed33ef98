import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { type HostFacts, pathsOf, preflight } from "../../ts-host/offline/preflight.ts";
import { compileProgram, startProgram } from "../support/program.ts";
import { SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";
import { runCli, waitFor } from "../support/victim.ts";

/** A machine on which the zoo can be restored. */
function suitable(): { checkpoint: ReturnType<typeof openDirectory>; host: HostFacts } {
  const checkpoint = openDirectory(join(SAMPLES, "zoo"));
  const files: HostFacts["files"] = Object.fromEntries(pathsOf(checkpoint).map((path) => [path, null]));
  for (const { reg } of checkpoint.files.values()) {
    if (!reg) continue;
    const buildId = Buffer.from(new Uint32Array(reg.build_id).buffer).toString("hex");
    const facts = { size: Number(reg.size ?? 0n), mode: reg.mode ?? 0 };
    files[Buffer.from(reg.name).toString()] = buildId === "" ? facts : { ...facts, buildId };
  }
  const host = {
    release: "6.18.0",
    machine: "x86_64",
    pidMax: 32768,
    tasks: { 1: "init" },
    files,
    bound: ["tcp 0.0.0.0:22"],
    cpuFlags: ["avx"],
    capabilities: "1ffffffffff",
  };
  return { checkpoint, host };
}

test("a machine that has everything", () => {
  const { checkpoint, host } = suitable();
  assert.deepEqual(preflight(checkpoint, host), []);
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
    const found = preflight(checkpoint, { ...host, ...difference });
    assert.equal(found.length, 1, `${expected}: ${JSON.stringify(found)}`);
    const [{ about, message, remedy }] = found;
    assert.match(`${about}: ${message} ${remedy}`, expected);
  }
  assert.deepEqual(
    preflight(checkpoint, { ...host, bound: ["udp 127.0.0.1:33271", "tcp 10.0.0.1:33271"] }),
    [],
  );
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
