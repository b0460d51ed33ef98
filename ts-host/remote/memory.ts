/** Another process's memory, read and written in one copy (process_vm_readv), or by force (/proc/PID/mem). */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { SystemCallError, TargetGoneError } from "../errors.ts";
import { ERRNO, errnoName } from "../kernel/errno.ts";
import type { SyscallName } from "../kernel/syscalls.ts";
import { tryCall } from "../native/calls.ts";
import { addressOf } from "../native/ffi.ts";

/** A range of addresses. */
export interface Range {
  start: bigint;
  end: bigint;
}

/** A range, or what is left of it, and where in a buffer its content lies. */
interface Piece {
  address: bigint;
  offset: number;
  length: number;
}

/** Most pieces that the kernel takes at once (UIO_MAXIOV). */
const MOST_PIECES = 1024;
const VECTOR = 16;
// One vector for here, the others for there; reused, as a dump makes thousands of these calls.
const vectors = Buffer.alloc((1 + MOST_PIECES) * VECTOR);
let vectorsAddress = 0n;

/** One call for pieces that are neighbours in `local`: bytes that were moved, or -errno. */
function transfer(name: SyscallName, pid: number, pieces: readonly Piece[], local: Uint8Array): number {
  vectorsAddress ||= addressOf(vectors);
  const count = Math.min(pieces.length, MOST_PIECES);
  for (let index = 0; index < count; index++) {
    const { address, length } = pieces[index]!;
    vectors.writeBigUInt64LE(address, (1 + index) * VECTOR);
    vectors.writeBigUInt64LE(BigInt(length), (1 + index) * VECTOR + 8);
  }
  const first = pieces[0]!;
  const last = pieces[count - 1]!;
  const part = local.subarray(first.offset, last.offset + last.length);
  vectors.writeBigUInt64LE(addressOf(part), 0);
  vectors.writeBigUInt64LE(BigInt(part.length), 8);
  const there = vectorsAddress + BigInt(VECTOR);
  return Number(tryCall(name, pid, vectorsAddress, 1, there, count, 0));
}

function piecesOf(ranges: readonly Range[]): Piece[] {
  let offset = 0;
  return ranges.map(({ start, end }) => {
    const piece = { address: start, offset, length: Number(end - start) };
    offset += piece.length;
    return piece;
  });
}

/** What is left when the first `moved` bytes of the pieces are done. */
function rest(pieces: Piece[], moved: number): Piece[] {
  let done = 0;
  let first = 0;
  while (first < pieces.length && done + pieces[first]!.length <= moved) done += pieces[first++]!.length;
  const left = pieces.slice(first);
  if (left.length > 0 && done < moved) {
    const { address, offset, length } = left[0]!;
    const by = moved - done;
    left[0] = { address: address + BigInt(by), offset: offset + by, length: length - by };
  }
  return left;
}

function fail(pid: number, name: string, { address, length }: Piece, errno: number): never {
  const op = `${name}(0x${address.toString(16)}, ${length} bytes)`;
  if (errno === ERRNO.ESRCH) throw new TargetGoneError("the task is gone", { pid, op, errno: "ESRCH" });
  throw new SystemCallError("memory of the task cannot be reached", { pid, op, errno: errnoName(errno) });
}

/**
 * Fills `into` with the content of the ranges, one after the other. What process_vm_readv does not reach
 * (PROT_NONE) is read through /proc/PID/mem.
 */
export function readRanges(pid: number, ranges: readonly Range[], into: Uint8Array): void {
  let left = piecesOf(ranges);
  while (left.length > 0) {
    const got = transfer("process_vm_readv", pid, left, into);
    if (got > 0) {
      left = rest(left, got);
      continue;
    }
    const first = left[0]!;
    if (got < 0 && -got !== ERRNO.EFAULT) fail(pid, "process_vm_readv", first, -got);
    readByForce(pid, first.address, into.subarray(first.offset, first.offset + first.length));
    left = left.slice(1);
  }
}

/** Writes the content of the ranges, which stands in `from` one after the other. */
export function writeRanges(pid: number, ranges: readonly Range[], from: Uint8Array): void {
  let left = piecesOf(ranges);
  while (left.length > 0) {
    const put = transfer("process_vm_writev", pid, left, from);
    if (put <= 0) fail(pid, "process_vm_writev", left[0]!, put === 0 ? ERRNO.EFAULT : -put);
    left = rest(left, put);
  }
}

export function readMemory(pid: number, address: bigint, into: Uint8Array): void {
  readRanges(pid, [{ start: address, end: address + BigInt(into.length) }], into);
}

export function writeMemory(pid: number, address: bigint, from: Uint8Array): void {
  writeRanges(pid, [{ start: address, end: address + BigInt(from.length) }], from);
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
