/** The same lists of calls, made by step and by the blob in a stopped process, have the same results. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteCallError } from "../../../ts-host/errors.ts";
import { AT_FDCWD } from "../../../ts-host/kernel/abi/fcntl.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../../ts-host/kernel/abi/mman.ts";
import { PR_GET_NAME, PR_SET_NAME } from "../../../ts-host/kernel/abi/prctl.ts";
import { Batch } from "../../../ts-host/remote/batch.ts";
import { BACK_ENDS, stoppedVictim } from "../../support/remote.ts";

const O_RDWR = 2;
const SEEK_SET = 0;

/** Lists of calls that leave nothing behind. */
const LISTS: Record<string, (batch: Batch) => void> = {
  "data in and out": (batch) => {
    batch.call("prctl", [PR_SET_NAME, batch.text("renamed")]);
    batch.call("prctl", [PR_GET_NAME, batch.room(16)]);
    batch.call("uname", [batch.room(400)]);
  },
  "a result as an argument": (batch) => {
    const fd = batch.call("memfd_create", [batch.text("memory"), 0]);
    const content = batch.bytes(Buffer.from("0123456789abcdef"));
    batch.call("write", [fd, content, 16]);
    batch.call("lseek", [fd, 4, SEEK_SET]);
    batch.call("read", [fd, batch.room(16), 16]);
    batch.call("pread64", [fd, batch.room(8).at(2), 3, 8]);
    batch.call("close", [fd]);
  },
  "words that a call wrote as arguments": (batch) => {
    const fds = batch.room(8);
    batch.call("pipe2", [fds, 0]);
    batch.call("write", [fds.word32(4), batch.text("through a pipe"), 14]);
    batch.call("read", [fds.word32(0), batch.room(32), 32]);
    batch.call("close", [fds.word32(0)]);
    batch.call("close", [fds.word32(4)]);
  },
  "all six arguments, and a result of 64 bits": (batch) => {
    const fd = batch.call("memfd_create", [batch.text(""), 0]);
    batch.call("ftruncate", [fd, 3 * 4096]);
    const address = batch.call("mmap", [
      0x1234_5678_0000n,
      8192,
      PROT_READ | PROT_WRITE,
      MAP_PRIVATE,
      fd,
      4096,
    ]);
    batch.call("read", [fd, address, 4096]);
    batch.call("munmap", [address, 8192]);
    batch.call("close", [fd]);
  },
  "pointers inside data": (batch) => {
    const fd = batch.call("memfd_create", [batch.text(""), 0]);
    const [first, second] = [batch.text("scattered "), batch.text("and gathered")];
    const vector = batch.room(32);
    vector.bytes.writeBigUInt64LE(10n, 8);
    vector.bytes.writeBigUInt64LE(12n, 24);
    batch.pointer(vector, 0, first);
    batch.pointer(vector, 16, second);
    batch.call("writev", [fd, vector, 2]);
    batch.call("pread64", [fd, batch.room(32), 32, 0]);
    batch.call("close", [fd]);
  },
  "failures that do not matter": (batch) => {
    batch.call("close", [-1], { mayFail: true });
    batch.call("openat", [AT_FDCWD, batch.text("/no/such/file"), O_RDWR, 0], { mayFail: true });
    batch.call("mmap", [0, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0], { mayFail: true });
    batch.call("getuid");
  },
  "many calls": (batch) => {
    for (let call = 0; call < 2000; call++) batch.call("getpid");
  },
};

test("both back-ends make the same calls with the same results", async (t) => {
  const stopped = await stoppedVictim(t, "wait-pause");
  if (!stopped) return;
  for (const [what, fill] of Object.entries(LISTS)) {
    const results = BACK_ENDS.map((backEnd) => {
      const batch = new Batch();
      fill(batch);
      stopped.remote(backEnd).run(batch);
      return { returned: batch.ops.map(({ ret }) => ret), data: batch.data.map(({ bytes }) => bytes) };
    });
    // The vectors hold addresses of the arena, which is the same.
    assert.deepEqual(results[0], results[1], what);
  }
  stopped.release();
  stopped.victim.go();
  await stopped.victim.expectPass();
});

test("results are what the kernel says, not only the same", async (t) => {
  const stopped = await stoppedVictim(t, "wait-pause");
  if (!stopped) return;
  for (const backEnd of BACK_ENDS) {
    const batch = new Batch();
    const name = batch.room(16);
    const pid = batch.call("getpid");
    const failed = batch.call("close", [-1], { mayFail: true });
    batch.call("prctl", [PR_GET_NAME, name]);
    stopped.remote(backEnd).run(batch);
    assert.equal(pid.result, stopped.victim.pid);
    assert.ok(failed.failed && failed.result === -9, "EBADF");
    assert.equal(name.bytes.toString("latin1").split("\0")[0], "wait");
  }
  stopped.release();
});

for (const backEnd of BACK_ENDS) {
  test(`${backEnd}: a call that fails is the last, and is named with its arguments`, async (t) => {
    const stopped = await stoppedVictim(t, "wait-pause");
    if (!stopped) return;
    const batch = new Batch();
    batch.kind = "some-kind";
    const before = batch.call("getpid");
    const room = batch.room(32);
    const failing = batch.call("timer_gettime", [3, room]);
    const after = batch.call("getpid");
    const remote = stopped.remote(backEnd);
    assert.throws(
      () => remote.run(batch),
      (error: unknown) => {
        assert.ok(error instanceof RemoteCallError);
        const offset = (256 + 3 * 64).toString(16);
        assert.equal(error.context.op, `op 2/3 timer_gettime(3, arena+0x${offset})`);
        assert.equal(error.context.errno, "EINVAL");
        assert.equal(error.context.kind, "some-kind");
        return true;
      },
    );
    assert.equal(before.result, stopped.victim.pid);
    assert.ok(failing.failed);
    assert.equal(after.ret, undefined);
    const again = new Batch();
    const pid = again.call("getpid");
    remote.run(again);
    assert.equal(pid.result, stopped.victim.pid, "the next batch is made as if nothing had been");
    stopped.release();
    stopped.victim.go();
    await stopped.victim.expectPass();
  });

  test(`${backEnd}: a call that does not return is ended and named`, async (t) => {
    const stopped = await stoppedVictim(t, "wait-pause");
    if (!stopped) return;
    const make = new Batch();
    const fds = make.room(8);
    make.call("pipe2", [fds, 0]);
    stopped.remote("step").run(make);
    const [reader, writer] = [fds.bytes.readInt32LE(0), fds.bytes.readInt32LE(4)];

    const blocked = new Batch();
    blocked.call("getpid");
    blocked.call("read", [reader, 0x1000, 1]);
    blocked.call("getpid");
    assert.throws(() => stopped.remote(backEnd, 100_000).run(blocked), {
      name: "RemoteCallError",
      message: /did not return/,
      context: { tid: stopped.victim.pid, op: `op 2/3 read(${reader}, 4096, 1)` },
    });

    const close = new Batch();
    close.call("close", [reader]);
    close.call("close", [writer]);
    stopped.remote(backEnd).run(close);
    stopped.release();
    stopped.victim.go();
    await stopped.victim.expectPass();
  });

  test(`${backEnd}: registers and signal mask are the thread's own after each batch`, async (t) => {
    const stopped = await stoppedVictim(t, "wait-nanosleep");
    if (!stopped) return;
    const { tracee } = stopped;
    const own = { registers: tracee.getRegisters().words, mask: tracee.getSignalMask() };
    const batch = new Batch();
    batch.call("rt_sigprocmask", [2, batch.room(8), 0, 8], { mayFail: true });
    stopped.remote(backEnd).run(batch);
    assert.deepEqual({ registers: tracee.getRegisters().words, mask: tracee.getSignalMask() }, own);
    stopped.release();
    stopped.victim.go();
    await stopped.victim.expectPass();
  });
}
