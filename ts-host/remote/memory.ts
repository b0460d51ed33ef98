/** Another process's memory, read and written in one copy (process_vm_readv), or by force (/proc/PID/mem). */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { SystemCallError, TargetGoneError } from "../errors.ts";
import { ERRNO, errnoName } from "../kernel/errno.ts";
import type { SyscallName } from "../kernel/syscalls.ts";
import { tryCall } from "../native/calls.ts";
import { addressOf } from "../native/ffi.ts";

// One vector each for here and there; reused, as a dump makes thousands of these calls.
const vectors = Buffer.alloc(32);
let vectorsAddress = 0n;

function transfer(name: SyscallName, pid: number, address: bigint, local: Uint8Array): number {
  vectorsAddress ||= addressOf(vectors);
  vectors.writeBigUInt64LE(addressOf(local), 0);
  vectors.writeBigUInt64LE(BigInt(local.length), 8);
  vectors.writeBigUInt64LE(address, 16);
  vectors.writeBigUInt64LE(BigInt(local.length), 24);
  return Number(tryCall(name, pid, vectorsAddress, 1, vectorsAddress + 16n, 1, 0));
}

function fail(pid: number, name: string, address: bigint, length: number, errno: number): never {
  const op = `${name}(0x${address.toString(16)}, ${length} bytes)`;
  if (errno === ERRNO.ESRCH) throw new TargetGoneError("the task is gone", { pid, op, errno: "ESRCH" });
  throw new SystemCallError("memory of the task cannot be reached", { pid, op, errno: errnoName(errno) });
}

/**
 * Fills `into` from the task's memory. Pages that process_vm_readv does not reach (PROT_NONE, guard pages)
 * are read through /proc/PID/mem.
 */
export function readMemory(pid: number, address: bigint, into: Uint8Array): void {
  let done = 0;
  while (done < into.length) {
    const got = transfer("process_vm_readv", pid, address + BigInt(done), into.subarray(done));
    if (got > 0) {
      done += got;
      continue;
    }
    if (got < 0 && -got !== ERRNO.EFAULT) fail(pid, "process_vm_readv", address, into.length, -got);
    const page = 4096 - Number((address + BigInt(done)) & 4095n);
    const piece = into.subarray(done, done + page);
    readByForce(pid, address + BigInt(done), piece);
    done += piece.length;
  }
}

export function writeMemory(pid: number, address: bigint, from: Uint8Array): void {
  let done = 0;
  while (done < from.length) {
    const put = transfer("process_vm_writev", pid, address + BigInt(done), from.subarray(done));
    if (put <= 0)
      fail(
        pid,
        "process_vm_writev",
        address + BigInt(done),
        from.length - done,
        put === 0 ? ERRNO.EFAULT : -put,
      );
    done += put;
  }
}

/** Reads whatever the protection: /proc/PID/mem takes a tracer's word for it. */
export function readByForce(pid: number, address: bigint, into: Uint8Array): void {
  throughMem(pid, address, into, "r", (fd, done) =>
    readSync(fd, into, done, into.length - done, address + BigInt(done)),
  );
}

/** Writes whatever the protection; private pages are copied first, as ptrace's POKEDATA does. */
export function writeByForce(pid: number, address: bigint, from: Uint8Array): void {
  throughMem(pid, address, from, "r+", (fd, done) =>
    writeSync(fd, from, done, from.length - done, Number(address + BigInt(done))),
  );
}

function throughMem(
  pid: number,
  address: bigint,
  buffer: Uint8Array,
  flags: string,
  move: (fd: number, done: number) => number,
): void {
  const fd = openSync(`/proc/${pid}/mem`, flags);
  try {
    for (let done = 0; done < buffer.length; ) {
      const moved = move(fd, done);
      if (moved === 0) throw new TargetGoneError("the task is gone", { pid });
      done += moved;
    }
  } catch (error) {
    if (error instanceof TargetGoneError) throw error;
    throw new SystemCallError(
      "memory of the task cannot be reached",
      {
        pid,
        op: `/proc/${pid}/mem at 0x${address.toString(16)}, ${buffer.length} bytes`,
        errno: (error as NodeJS.ErrnoException).code,
      },
      error,
    );
  } finally {
    closeSync(fd);
  }
}
