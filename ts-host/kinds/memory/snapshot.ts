/**
 * A copy of a task's private memory that stands still while the task runs on (dump --leave-running): a child
 * that the stopped task is made to fork, and that never runs. Kernel and child share each page until the task
 * writes to it. The child shares the task's descriptors, so that none is held open by it, and sends no signal
 * when it ends, so that wait() does not see it; at the end the task is stopped once more, for some microseconds,
 * to reap it.
 *
 * What a fork does not copy (MADV_DONTFORK, MADV_WIPEONFORK) is copied while the task is stopped. What stays:
 * RUSAGE_CHILDREN has grown, and while the snapshot is there /proc shows the child.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import { SystemCallError, TargetGoneError } from "../../errors.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import { MADV_DONTFORK, MADV_WIPEONFORK } from "../../kernel/abi/mman.ts";
import { PTRACE_O_EXITKILL } from "../../kernel/abi/ptrace.ts";
import { CLONE_FILES, CLONE_FS, CLONE_PTRACE, cloneArgs } from "../../kernel/abi/sched.ts";
import { __WALL, WNOHANG } from "../../kernel/abi/wait.ts";
import { Batch } from "../../remote/batch.ts";
import { FrozenProcess } from "../../remote/frozen.ts";
import { type Range, readRanges } from "../../remote/memory.ts";
import { intersections } from "../../remote/ranges.ts";
import { Tracee } from "../../remote/tracee.ts";
import { type PageTables, type PrivateMemory, scanPageTables } from "./pages.ts";

const STOP_TIMEOUT_US = 10_000_000;
/** Longest that the task may take to stop so that the child can be reaped. */
const REAP_TIMEOUT_US = 5_000_000;
/** More than this is not kept in our memory: then the task stays stopped until all is copied. */
const MOST_KEPT = 64n << 20n;
/** Size of struct clone_args as of its first version. */
const CLONE_ARGS_SIZE = 64;

const isNotForked = ({ madv = 0n }: VmaEntry) =>
  (madv & ((1n << BigInt(MADV_DONTFORK)) | (1n << BigInt(MADV_WIPEONFORK)))) !== 0n;

interface Kept extends Range {
  bytes: Buffer;
}

function size(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0n);
}

function inOrder(...lists: (readonly Range[])[]): Range[] {
  return lists.flat().sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** Has the task fork; undefined when it cannot: too many processes, no memory. */
function forkIn(task: DumpTask): Tracee | undefined {
  const batch = new Batch();
  const args = batch.bytes(cloneArgs.pack({ flags: BigInt(CLONE_FILES | CLONE_FS | CLONE_PTRACE) }));
  const clone = batch.call("clone3", [args, CLONE_ARGS_SIZE], { childStopped: true, mayFail: true });
  task.leader.remote.run(batch);
  if (clone.failed) return undefined;
  const child = Tracee.adopt(clone.result);
  child.waitForInterrupt(STOP_TIMEOUT_US);
  // Until here, a child whose host dies ends by itself.
  child.setOptions(PTRACE_O_EXITKILL);
  return child;
}

export class Snapshot implements PrivateMemory {
  private readonly pid: number;
  private readonly child: Tracee;
  private readonly kept: readonly Kept[];
  private readonly keptGuards: readonly Range[];
  private readonly memory: number;

  private constructor(pid: number, child: Tracee, kept: readonly Kept[], keptGuards: readonly Range[]) {
    this.pid = pid;
    this.child = child;
    this.kept = kept;
    this.keptGuards = keptGuards;
    this.memory = openSync(`/proc/${child.tid}/mem`, "r");
  }

  /** Of the stopped task; undefined where its memory has to be copied while it is stopped. */
  static take(task: DumpTask, vmas: readonly VmaEntry[]): Snapshot | undefined {
    const tables = vmas.filter(isNotForked).map((vma) => scanPageTables(task.pid, vma));
    const own = tables.flatMap((table) => table.own);
    if (size(own) > MOST_KEPT) return undefined;
    const kept = own.map(({ start, end }) => {
      const bytes = Buffer.alloc(Number(end - start));
      readRanges(task.pid, [{ start, end }], bytes);
      return { start, end, bytes };
    });
    const child = forkIn(task);
    const guards = tables.flatMap((table) => table.guards);
    return child && new Snapshot(task.pid, child, kept, guards);
  }

  /** The page tables of the child, and those of what it does not have. */
  scan(range: Range): PageTables {
    const { own, guards } = scanPageTables(this.child.tid, range);
    return { own: inOrder(own, this.kept), guards: inOrder(guards, this.keptGuards) };
  }

  /** Fills `into` with what the ranges held when the snapshot was taken. */
  read(ranges: readonly Range[], into: Uint8Array): void {
    let filled = 0;
    const take = (start: bigint, end: bigint) => {
      filled += Number(end - start);
      return into.subarray(filled - Number(end - start), filled);
    };
    for (const { start, end } of ranges) {
      let at = start;
      for (const part of intersections([{ start, end }], this.kept)) {
        this.readForked(at, take(at, part.start));
        const from = Number(part.start - part.window.start);
        take(part.start, part.end).set(
          part.window.bytes.subarray(from, from + Number(part.end - part.start)),
        );
        at = part.end;
      }
      this.readForked(at, take(at, end));
    }
  }

  /** Ends the child, and takes every trace of it from the task, if that is still there. */
  end(): void {
    closeSync(this.memory);
    process.kill(this.child.tid, "SIGKILL");
    this.child.reap();
    try {
      const frozen = FrozenProcess.freeze(this.pid, { timeoutUs: REAP_TIMEOUT_US });
      try {
        const batch = new Batch();
        batch.call("wait4", [this.child.tid, 0, __WALL | WNOHANG, 0], { mayFail: true });
        frozen.remote(this.pid).run(batch);
      } finally {
        frozen.release();
      }
    } catch (error) {
      if (!(error instanceof TargetGoneError)) throw error;
    }
  }

  /** By /proc/PID/mem: process_vm_readv would give the child pages of its own. */
  private readForked(start: bigint, view: Uint8Array): void {
    for (let done = 0; done < view.length; ) {
      const got = readSync(this.memory, view, done, view.length - done, start + BigInt(done));
      if (got === 0) throw new SystemCallError("the snapshot is gone", { pid: this.child.tid });
      done += got;
    }
  }
}
