import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SystemCallError, TargetGoneError } from "../../../ts-host/errors.ts";
import { AT_PAGESZ } from "../../../ts-host/kernel/abi/auxv.ts";
import { O_APPEND, O_CLOEXEC, O_LARGEFILE, O_RDWR } from "../../../ts-host/kernel/abi/fcntl.ts";
import { PAGE_SIZE } from "../../../ts-host/kernel/abi/mman.ts";
import { auxvValue } from "../../../ts-host/kernel/proc/auxv.ts";
import { ProcPid } from "../../../ts-host/kernel/process.ts";

const elsewhere = process.platform === "linux" ? false : "not Linux";

test("this very process, as /proc shows it", { skip: elsewhere }, () => {
  const self = new ProcPid(process.pid);
  const stat = self.stat();
  const status = self.status();
  assert.equal(stat.pid, process.pid);
  assert.equal(stat.ppid, process.ppid);
  assert.equal(status.ppid, process.ppid);
  assert.equal(status.uid.effective, process.geteuid!());
  assert.equal(status.umask, process.umask());
  assert.equal(stat.numThreads, status.threads);
  assert.deepEqual(self.comm(), stat.comm);
  assert.equal(self.exe().toString(), realpathSync(process.execPath));
  assert.equal(self.cwd().toString(), process.cwd());
  assert.equal(self.cmdline().toString().split("\0")[0], process.argv0);
  assert.match(self.environ().toString("latin1"), /(^|\0)PATH=/);
  assert.equal(auxvValue(self.auxv(), AT_PAGESZ), BigInt(PAGE_SIZE));
  assert.equal(self.limits().length, 16);
  assert.equal(self.personality() & 0xff, 0);
  assert.ok(self.timerslackNs() > 0);
  assert.ok(self.oomScoreAdj() >= -1000);
  assert.equal(self.coredumpFilter() & ~0x1ff, 0);
  assert.equal(self.namespace("pid").type, "pid");
  assert.deepEqual(self.namespace("mnt"), self.thread(self.threads().at(-1)!).namespace("mnt"));
  assert.ok(self.cgroup().every((group) => group.path[0] === "/".charCodeAt(0)));
  const mounts = self.mountinfo();
  assert.ok(mounts.some((mount) => mount.mountPoint.toString() === "/"));
  assert.deepEqual(self.mountIds(), new Set(mounts.map(({ mountId }) => mountId)));
});

test("the mappings of a process and what is behind them", { skip: elsewhere }, (t) => {
  const self = new ProcPid(process.pid);
  const smaps = [...self.smaps()];
  const stack = smaps.find((vma) => vma.path.toString() === "[stack]")!;
  assert.ok(stack.flags.has("gd"));
  const program = self.maps().find((vma) => vma.path.equals(self.exe()))!;
  try {
    assert.deepEqual(self.mapFile(program.start, program.end), self.exe());
  } catch (error) {
    // map_files needs CAP_CHECKPOINT_RESTORE.
    if (!(error instanceof SystemCallError) || error.context.errno !== "EPERM") throw error;
    t.diagnostic("map_files may not be read here");
  }
});

test("descriptors: names of any bytes, flags, positions", { skip: elsewhere }, () => {
  const folder = mkdtempSync(join(tmpdir(), "criu-wasm-fd-"));
  const name = Buffer.concat([Buffer.from(`${realpathSync(folder)}/a`), Buffer.from([0x0a, 0xff])]);
  const fd = openSync(name, "a+");
  try {
    const self = new ProcPid(process.pid);
    assert.ok(self.fds().includes(fd));
    assert.deepEqual(self.fdLink(fd), name);
    const { pos, flags } = self.fdinfo(fd);
    assert.equal(pos, 0n);
    assert.equal(flags & ~O_LARGEFILE, O_RDWR | O_APPEND | O_CLOEXEC);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

test("a child is listed; once it is gone, an error says who", { skip: elsewhere }, async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const target = new ProcPid(child.pid!);
  assert.ok(target.exists());
  const self = new ProcPid(process.pid);
  const children = self.threads().flatMap((tid) => self.thread(tid).children());
  assert.ok(children.includes(child.pid!));
  assert.throws(() => target.fdLink(999), SystemCallError);
  child.kill("SIGKILL");
  await once(child, "exit");
  for (const read of [
    () => target.stat(),
    () => [...target.smaps()],
    () => target.exe(),
    () => target.fds(),
  ]) {
    assert.throws(read, (error) => error instanceof TargetGoneError && error.context.pid === child.pid);
  }
  assert.equal(target.exists(), false);
});
