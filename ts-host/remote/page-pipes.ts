/**
 * Pipes that lead out of a stopped task. The task puts references to its own pages into them (vmsplice), this
 * process moves the content on to a file (splice): so it is copied once, where a read and a write copy it twice.
 */
import { closeSync, writeSync } from "node:fs";
import { F_GETPIPE_SZ, F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK } from "../kernel/abi/fcntl.ts";
import { SPLICE_F_NONBLOCK } from "../kernel/abi/splice.ts";
import { call } from "../native/calls.ts";
import { Batch, type Op } from "./batch.ts";
import { type Range, readRanges } from "./memory.ts";
import { RangeCursor } from "./ranges.ts";
import type { Remote } from "./remote.ts";

const PIPES = 8;
/** As large as the kernel lets everybody make a pipe. */
const PIPE_SIZE = 1 << 20;
const VECTOR = 16;

interface Pipe {
  /** End of this process. */
  from: number;
  /** End of the task. */
  to: number;
  /** Bytes that it takes, in whole pages. */
  room: number;
}

/** What a pipe is to bring in one round. */
interface Load {
  pipe: Pipe;
  ranges: Range[];
  size: number;
  moved: Op;
}

const sizeOf = (ranges: readonly Range[]) =>
  ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0);

function vectorsOf(ranges: readonly Range[]): Buffer {
  const vectors = Buffer.alloc(ranges.length * VECTOR);
  ranges.forEach(({ start, end }, index) => {
    vectors.writeBigUInt64LE(start, index * VECTOR);
    vectors.writeBigUInt64LE(end - start, index * VECTOR + 8);
  });
  return vectors;
}

/** Has the task make pipes; those that it could not make (it may open no more files, say) are missing. */
function makePipes(remote: Remote): { from: number; to: number }[] {
  const batch = new Batch();
  const made = Array.from({ length: PIPES }, () => {
    const ends = batch.room(8);
    return { ends, pipe: batch.call("pipe2", [ends, O_CLOEXEC | O_NONBLOCK], { mayFail: true }) };
  });
  remote.run(batch);
  return made
    .filter(({ pipe }) => !pipe.failed)
    .map(({ ends }) => ({ from: ends.bytes.readInt32LE(0), to: ends.bytes.readInt32LE(4) }));
}

/** Takes the task's descriptors over, as this process's own. */
function takeOver(pid: number, descriptors: readonly number[]): number[] {
  const process = Number(call("pidfd_open", pid, 0));
  try {
    return descriptors.map((fd) => Number(call("pidfd_getfd", process, fd, 0)));
  } finally {
    closeSync(process);
  }
}

export class PagePipes {
  private readonly pid: number;
  private readonly remote: Remote;
  private readonly pipes: readonly Pipe[];

  private constructor(pid: number, remote: Remote, pipes: readonly Pipe[]) {
    this.pid = pid;
    this.remote = remote;
    this.pipes = pipes;
  }

  /** Has the stopped task make the pipes; undefined when it cannot make any. */
  static open(pid: number, remote: Remote): PagePipes | undefined {
    const made = makePipes(remote);
    const ours = takeOver(
      pid,
      made.map(({ from }) => from),
    );
    const batch = new Batch();
    const sizes = made.map(({ from, to }) => {
      batch.call("close", [from]);
      batch.call("fcntl", [to, F_SETPIPE_SZ, PIPE_SIZE], { mayFail: true });
      return batch.call("fcntl", [to, F_GETPIPE_SZ, 0]);
    });
    remote.run(batch);
    const pipes = made.map(({ to }, index) => ({ to, from: ours[index]!, room: sizes[index]!.result }));
    return pipes.length === 0 ? undefined : new PagePipes(pid, remote, pipes);
  }

  /** Writes the content of the ranges, one after the other, to byte `offset` of the open file `file`. */
  move(ranges: readonly Range[], file: number, offset: number): void {
    const cursor = new RangeCursor(ranges);
    for (let left = sizeOf(ranges), at = offset; left > 0; ) {
      for (const load of this.load(cursor, left)) {
        const moved = Math.max(0, load.moved.result);
        unload(load.pipe, moved, file, at);
        if (moved < load.size) this.copy(load, moved, file, at);
        at += load.size;
        left -= load.size;
      }
    }
  }

  /** Fills all pipes. */
  private load(cursor: RangeCursor, left: number): Load[] {
    const batch = new Batch();
    const loads: Load[] = [];
    for (const pipe of this.pipes) {
      const size = Math.min(pipe.room, left);
      if (size === 0) break;
      left -= size;
      const ranges = cursor.take(size);
      const args = [pipe.to, batch.bytes(vectorsOf(ranges)), ranges.length, SPLICE_F_NONBLOCK];
      loads.push({ pipe, ranges, size, moved: batch.call("vmsplice", args, { mayFail: true }) });
    }
    this.remote.run(batch);
    return loads;
  }

  /** What the task cannot read itself (PROT_NONE) is copied. */
  private copy({ ranges, size }: Load, from: number, file: number, offset: number): void {
    const cursor = new RangeCursor(ranges);
    cursor.take(from);
    const rest = Buffer.allocUnsafe(size - from);
    readRanges(this.pid, cursor.take(rest.length), rest);
    for (let done = 0; done < rest.length; )
      done += writeSync(file, rest, done, rest.length - done, offset + from + done);
  }

  /** The task has as many descriptors as before. */
  close(): void {
    for (const { from } of this.pipes) closeSync(from);
    const batch = new Batch();
    for (const { to } of this.pipes) batch.call("close", [to]);
    this.remote.run(batch);
  }
}

const position = Buffer.alloc(8);

/** Moves `size` bytes from a pipe to byte `offset` of a file. */
function unload({ from }: Pipe, size: number, file: number, offset: number): void {
  position.writeBigUInt64LE(BigInt(offset));
  for (let left = size; left > 0; ) left -= Number(call("splice", from, 0, file, position, left, 0));
}
