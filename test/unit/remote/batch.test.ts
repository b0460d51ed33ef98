/** The encoder: what it writes, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SYS, type SyscallName } from "../../../ts-host/kernel/syscalls.ts";
import { Batch, HEADER_SIZE, OP_SIZE } from "../../../ts-host/remote/batch.ts";

const BASE = 0x7000_0000n;

/** The ops of a batch as 32-bit words in hexadecimal, arguments and results as 64-bit ones. */
function words(batch: Batch): string[] {
  const image = batch.encode(BASE);
  return batch.ops.map(({ index }) => {
    const at = HEADER_SIZE + index * OP_SIZE;
    const head = `${image.readUInt32LE(at)} flags ${image.readUInt16LE(at + 4)} kinds ${image.readUInt16LE(at + 6)}`;
    const args = [0, 1, 2, 3, 4, 5].map((arg) => image.readBigUInt64LE(at + 8 + 8 * arg).toString(16));
    return `${head}: ${args.join(" ")}`;
  });
}

test("calls, results as arguments, words of data and addresses, in words and in print", () => {
  const batch = new Batch();
  const fds = batch.room(8);
  batch.call("pipe2", [fds, 0x80000]);
  const pid = batch.call("getpid", [], { mayFail: true });
  batch.call("kill", [pid, -1]);
  batch.call("close", [fds.word32(4)]);
  batch.call("read", [0, fds.at(4), 4]);
  const data = HEADER_SIZE + 5 * OP_SIZE;
  const hex = (value: number | bigint) => value.toString(16);
  assert.deepEqual(words(batch), [
    `${SYS.pipe2} flags 0 kinds 0: ${hex(BASE + BigInt(data))} 80000 0 0 0 0`,
    `${SYS.getpid} flags 1 kinds 0: 0 0 0 0 0 0`,
    `${SYS.kill} flags 0 kinds 2: ${hex(HEADER_SIZE + OP_SIZE + 56)} ffffffffffffffff 0 0 0 0`,
    `${SYS.close} flags 0 kinds 1: ${hex(data + 4)} 0 0 0 0 0`,
    `${SYS.read} flags 0 kinds 0: 0 ${hex(BASE + BigInt(data + 4))} 4 0 0 0`,
  ]);
  assert.deepEqual(
    batch.ops.map((op) => batch.print(op)),
    [
      `op 1/5 pipe2(arena+0x${hex(data)}, 0x80000)`,
      "op 2/5 getpid()",
      "op 3/5 kill(result of op 2, -1)",
      `op 4/5 close([arena+0x${hex(data + 4)}])`,
      `op 5/5 read(0, arena+0x${hex(data + 4)}, 4)`,
    ],
  );
});

test("what ends the blob's control is refused but as the last call", () => {
  const names: SyscallName[] = [
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
  ];
  for (const name of names) {
    const batch = new Batch();
    batch.call(name);
    assert.throws(() => batch.call("getpid"), new RegExp(`${name} ends a batch, getpid cannot follow it`));
  }
  const stopped = new Batch();
  stopped.call("clone3", [], { childStopped: true });
  stopped.call("getpid");
});

test("what would overwrite a restart block is refused altogether", () => {
  const names: SyscallName[] = [
    "nanosleep",
    "clock_nanosleep",
    "poll",
    "futex",
    "restart_syscall",
    "rt_sigreturn",
  ];
  for (const name of names) {
    assert.throws(() => new Batch().call(name), new RegExp(`${name} must not be called inside a target`));
  }
});

test("arguments that a batch cannot give are refused", () => {
  const other = new Batch().call("getpid");
  const batch = new Batch();
  assert.throws(() => batch.call("close", [other]), /arguments that its batch cannot give/);
  assert.throws(() => batch.call("mmap", [1, 2, 3, 4, 5, 6, 7]), /arguments that its batch cannot give/);
});

test("a batch knows which memory it takes away", () => {
  const batch = new Batch();
  batch.call("munmap", [0x10000, 0x2000]);
  const range = (start: number, end: number) => ({ start: BigInt(start), end: BigInt(end) });
  assert.ok(batch.unmaps(range(0x11000, 0x20000)));
  assert.ok(batch.unmaps(range(0x1000, 0x10001)));
  assert.ok(!batch.unmaps(range(0x12000, 0x20000)));
  assert.ok(!batch.unmaps(range(0x1000, 0x10000)));
});
