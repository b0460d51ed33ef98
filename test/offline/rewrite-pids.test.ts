/** rewrite --shift-pids: every place where a pid stands. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FdTypes } from "../../ts-host/generated/messages.ts";
import { SI_TIMER, SI_USER, SIGCHLD, senderSiginfo, siginfo } from "../../ts-host/kernel/abi/signal.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { command } from "../support/in-process.ts";
import { refusalOf, rewrittenDirectory } from "../support/rewritten.ts";
import { changeImage, sampleDirectory } from "../support/samples.ts";

async function shiftedZoo(t: TestContext, change: (directory: string) => void) {
  const directory = sampleDirectory(t, "zoo");
  change(directory);
  return rewrittenDirectory(t, directory, "--shift-pids", "1000");
}

test("the tree, the names of images, file locks", async (t) => {
  const { checkpoint, edits } = await shiftedZoo(t, () => {});
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
  assert.ok(edits.includes("pstree.img threads: 7478 7480 7481 7482 -> 8478 8480 8481 8482"));
});

test("files: who gets their signals, pidfds, paths below /proc", async (t) => {
  const fown = { uid: 0, euid: 0, signum: 0, pid_type: 1, pid: 7483 };
  const paths = new Map([
    ["/srv/demo/zoo/log", "/proc/7478/task/7481/maps"],
    ["/srv/demo/zoo/locked", "/proc/7485"],
    ["/srv/demo/zoo/fifo", "/proc/74780/maps"],
  ]);
  const { checkpoint, edits } = await shiftedZoo(t, (directory) =>
    changeImage(directory, { kind: "FILES" }, (files) => {
      for (const { message } of files) {
        const name = message.reg && paths.get(Buffer.from(message.reg.name).toString());
        if (name) message.reg!.name = Buffer.from(name);
        if (message.pipe) message.pipe.fown = { ...fown };
      }
      const pidfd = { id: 900, ino: 1, flags: 0, nspid: 7485, fown };
      files.push({ message: { type: FdTypes.PIDFD, id: 900, pidfd } });
    }),
  );
  const files = edits.filter((edit) => edit.startsWith("files.img"));
  assert.deepEqual(files.sort(), [
    "files.img pidfd.fown.pid: 7483 -> 8483",
    "files.img pidfd.nspid: 7485 -> 8485",
    "files.img pipe.fown.pid: 7483 -> 8483",
    "files.img pipe.fown.pid: 7483 -> 8483",
    "files.img pipe.fown.pid: 7483 -> 8483",
    "files.img reg.name: /proc/7478/task/7481/maps -> /proc/8478/task/8481/maps",
    "files.img reg.name: /proc/7485 -> /proc/8485",
  ]);
  assert.equal(checkpoint.files.get(900)!.pidfd!.nspid, 8485);
});

test("terminals, autofs, and leaders that have ended", async (t) => {
  const { checkpoint, edits } = await shiftedZoo(t, (directory) => {
    changeImage(directory, { kind: "TTY_INFO" }, ([{ message }]) => {
      message.sid = 7478;
      message.pgrp = 7483;
    });
    const autofs = { fd: -1, pgrp: 7478, timeout: 1, minproto: 5, maxproto: 5, mode: 0 };
    changeImage(directory, { kind: "AUTOFS", id: 9 }, (records) => records.push({ message: autofs }));
    changeImage(directory, { kind: "PSTREE" }, (tasks) => {
      tasks[2].message.pgid = 7000;
    });
  });
  const [terminal] = checkpoint.read({ kind: "TTY_INFO" });
  assert.deepEqual([terminal.message.sid, terminal.message.pgrp], [8478, 8483]);
  assert.equal(checkpoint.read({ kind: "AUTOFS", id: 9 })[0].message.pgrp, 8478);
  assert.equal(checkpoint.process(8485).entry.pgid, 8000);
  assert.ok(edits.includes("autofs-9.img pgrp: 7478 -> 8478"));
});

test("signals that wait, and timers that signal a thread", async (t) => {
  const sent = (si_signo: number, si_code: number, si_pid: number) => ({
    siginfo: senderSiginfo.pack({ si_signo, si_code, si_pid, si_uid: 3 }),
  });
  const { checkpoint } = await shiftedZoo(t, (directory) => {
    changeImage(directory, { kind: "CORE", id: 7478 }, ([{ message }]) => {
      const timer = { it_id: 0, clock_id: 0, si_signo: 34, it_sigev_notify: 4, sival_ptr: 0n, overrun: 0 };
      const times = { isec: 0n, insec: 0n, vsec: 0n, vnsec: 0n };
      message.tc!.timers!.posix = [{ ...timer, ...times, notify_thread_id: 7481 }];
      message.tc!.signals_s = {
        signals: [
          sent(10, SI_USER, 7485),
          sent(10, SI_USER, 1),
          sent(SIGCHLD, 1, 7484),
          sent(14, SI_TIMER, 7485),
        ],
      };
      message.thread_core!.signals_p = { signals: [sent(11, 1, 7485), sent(12, -6, 7480)] };
    });
  });
  const { tc, thread_core } = checkpoint.process(8478).core;
  const senders = (signals: { siginfo: Uint8Array }[]) =>
    signals.map((signal) => senderSiginfo.read(signal.siginfo).si_pid);
  assert.deepEqual(senders(tc!.signals_s!.signals), [8485, 1, 8484, 7485]);
  assert.deepEqual(senders(thread_core!.signals_p!.signals), [7485, 8480]);
  assert.equal(siginfo.read(tc!.signals_s!.signals[0].siginfo).si_signo, 10);
  assert.equal(tc!.timers!.posix[0].notify_thread_id, 8481);
});

test("the C library's ids of threads in memory, and no other byte", async (t) => {
  const directory = sampleDirectory(t, "zoo");
  const before = openDirectory(directory);
  const process = before.process(7478);
  const places: number[] = [];
  for (const { tid, core } of process.threads) {
    const address = core.thread_info!.clear_tid_addr;
    const [{ content }] = process.memory.piecesOf(process.mappingAt(address)!, address, address + 4n);
    assert.ok(content.is === "stored" && content.pagesId === 3);
    places.push(content.first * 4096 + Number(address % 4096n));
    const pages = readFileSync(join(directory, "pages-3.img"));
    pages.writeUInt32LE(tid, places.at(-1)!);
    writeFileSync(join(directory, "pages-3.img"), pages);
  }
  before.close();
  const expected = readFileSync(join(directory, "pages-3.img"));
  const { checkpoint } = await rewrittenDirectory(t, directory, "--shift-pids", "1000");
  for (const [index, place] of places.entries())
    expected.writeUInt32LE([8478, 8480, 8481, 8482][index], place);
  const found = readFileSync(join(checkpoint.location, "pages-3.img"));
  assert.ok(found.equals(expected));
  assert.equal(places.length, 4);
});

test("what cannot be moved is refused, and what is not changed is said", async (t) => {
  const zoo = sampleDirectory(t, "zoo");
  const refused = (directory: string, distance: number) =>
    refusalOf(t, directory, `--shift-pids=${distance}`);
  assert.match(await refused(zoo, -8000), /7478 would become -522, which is no pid/);
  assert.match(await refused(zoo, 2 ** 22), /7478 would become \d+, which is no pid/);
  assert.match(
    await refused(sampleDirectory(t, "namespaces"), 5),
    /pid 1 is the first of a pid namespace, in which pids are in nobody's way/,
  );
  const shell = sampleDirectory(t, "loop-static");
  changeImage(shell, { kind: "PSTREE" }, ([{ message }]) =>
    Object.assign(message, { sid: 7000, pgid: 7388 }),
  );
  assert.match(await refused(shell, -388), /7388 would become 7000, which is a group or session outside/);
  const { checkpoint } = await rewrittenDirectory(t, shell, "--shift-pids", "1");
  assert.equal(checkpoint.root.entry.sid, 7000);
  const { stdout } = await command("rewrite", "-D", zoo, "--shift-pids", "5", "--dry-run");
  assert.match(stdout.toString(), /\nas they were: pids that programs keep in their memory, also in locks/);
});
