/**
 * A frozen process: all its threads traced and stopped. What is done to it goes through `remote`, and
 * `release` lets it run on as if nothing had been done.
 */
import { readdirSync } from "node:fs";
import { CriuWasmError, describe, TargetGoneError, UnsupportedError } from "../errors.ts";
import { PTRACE_O_SUSPEND_SECCOMP, PTRACE_O_TRACESYSGOOD } from "../kernel/abi/ptrace.ts";
import { SIGSTOP, SIGTRAP, signalBit } from "../kernel/abi/signal.ts";
import { ProcPid } from "../kernel/process.ts";
import { Arena } from "./arena.ts";
import { BlobRemote, type Remote, StepRemote } from "./remote.ts";
import { settleRseq } from "./rseq.ts";
import { Tracee } from "./tracee.ts";
import { findSyscallInstruction } from "./vdso.ts";
import { settleWait } from "./waits.ts";

export interface FreezeOptions {
  /** Longest that all threads together may take to stop, in µs. */
  timeoutUs: number;
}

/** The ptrace options that a thread needs: seccomp is suspended only where there is some. */
function seizeOptions(pid: number, tid: number): number {
  const { seccomp } = new ProcPid(pid, tid).status();
  return PTRACE_O_TRACESYSGOOD | (seccomp === 0 ? 0 : PTRACE_O_SUSPEND_SECCOMP);
}

function listThreads(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch (error) {
    throw new TargetGoneError("the process is gone", { pid }, error);
  }
}

/** Seizes and stops every thread; lists them again until no new one has appeared. */
function stopAllThreads(pid: number, deadline: number): Map<number, Tracee> {
  const stopped = new Map<number, Tracee>();
  try {
    for (;;) {
      const fresh = listThreads(pid).filter((tid) => !stopped.has(tid));
      if (fresh.length === 0) return stopped;
      const interrupted = fresh.map((tid) => seizeThread(pid, tid)).filter((tracee) => tracee !== undefined);
      for (const tracee of interrupted) stopped.set(tracee.tid, tracee);
      for (const tracee of interrupted) {
        try {
          tracee.waitForInterrupt(Math.max(1, deadline - performance.now()) * 1000);
        } catch (error) {
          if (!(error instanceof TargetGoneError) || tracee.tid === pid) throw error;
          stopped.delete(tracee.tid);
        }
      }
    }
  } catch (error) {
    for (const tracee of stopped.values()) letGo(tracee);
    throw error;
  }
}

/** undefined for a thread that ended meanwhile. */
function seizeThread(pid: number, tid: number): Tracee | undefined {
  try {
    const tracee = Tracee.seize(tid, seizeOptions(pid, tid));
    tracee.interrupt();
    return tracee;
  } catch (error) {
    if (error instanceof TargetGoneError && tid !== pid) return undefined;
    throw seizeRefused(pid, tid, error);
  }
}

function seizeRefused(pid: number, tid: number, error: unknown): unknown {
  if (!(error instanceof CriuWasmError) || error.context.errno !== "EPERM") return error;
  const { tracerPid, state } = new ProcPid(pid, tid).status();
  if (tracerPid !== 0) {
    return new UnsupportedError(`is traced by pid ${tracerPid} already`, {
      pid,
      tid,
      hint: "detach the debugger first",
    });
  }
  if (state === "Z") return new UnsupportedError("is a zombie", { pid, tid });
  error.context.hint = "CAP_SYS_PTRACE is needed; with a seccomp filter in the task, CAP_SYS_ADMIN too";
  return error;
}

function letGo(tracee: Tracee): void {
  try {
    tracee.detach();
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    // It did not stop yet, or died: ask once more for a stop, then let go.
    try {
      tracee.interrupt();
      tracee.waitForInterrupt(1_000_000);
      tracee.detach();
    } catch (again) {
      if (!(again instanceof CriuWasmError)) throw new Error(describe(again));
    }
  }
}

export class FrozenProcess {
  readonly pid: number;
  readonly threads: Map<number, Tracee>;
  private readonly instruction: bigint;
  private arena: Arena | undefined;
  /** Whether batches run in it by the blob; else by step. */
  readonly trapsAreSafe: boolean;

  private constructor(pid: number, threads: Map<number, Tracee>) {
    this.pid = pid;
    this.threads = threads;
    const trap = signalBit(SIGTRAP);
    const { sigIgn, shdPnd } = new ProcPid(pid).status();
    const pending = [...threads.keys()].some((tid) => (new ProcPid(pid, tid).status().sigPnd & trap) !== 0n);
    // An int3 would reset an ignored SIGTRAP to its default, and be confused with a pending one.
    this.trapsAreSafe = (sigIgn & trap) === 0n && (shdPnd & trap) === 0n && !pending;
    this.instruction = findSyscallInstruction(pid);
  }

  /** Stops the process. Whatever fails, it runs on. */
  static freeze(pid: number, options: FreezeOptions): FrozenProcess {
    const threads = stopAllThreads(pid, performance.now() + options.timeoutUs / 1000);
    try {
      for (const tracee of threads.values()) {
        settleRseq(tracee);
        settleWait(tracee);
      }
      return new FrozenProcess(pid, threads);
    } catch (error) {
      for (const tracee of threads.values()) letGo(tracee);
      throw error;
    }
  }

  get leader(): Tracee {
    return this.threads.get(this.pid)!;
  }

  /** Runs batches in one thread. The first call lends the process its arena. */
  remote(tid: number): Remote {
    this.arena ??= Arena.map(new StepRemote(this.leader, this.instruction));
    const tracee = this.threads.get(tid)!;
    return this.trapsAreSafe
      ? new BlobRemote(tracee, this.arena)
      : new StepRemote(tracee, this.instruction, this.arena);
  }

  /** The range that is lent, which is not the process's own. */
  get lent(): { start: bigint; end: bigint } | undefined {
    return this.arena?.range;
  }

  /** Takes the arena back. */
  private reclaim(): void {
    if (!this.arena) return;
    const arena = this.arena;
    this.arena = undefined;
    arena.unmap(new StepRemote(this.leader, this.instruction));
  }

  /** The signal for which the process stands still, or will when it is let go. */
  get stopSignal(): number | undefined {
    const { stoppedBy, tid } = this.leader;
    if (stoppedBy !== undefined) return stoppedBy;
    const { sigPnd, shdPnd } = new ProcPid(tid).status();
    return ((sigPnd | shdPnd) & signalBit(SIGSTOP)) === 0n ? undefined : SIGSTOP;
  }

  /** Lets the process run on as if nothing had been done to it. */
  release(): void {
    try {
      this.reclaim();
    } finally {
      for (const tracee of this.threads.values()) letGo(tracee);
    }
  }

  /** Lets the process go, but stopped, as the user asked for. */
  releaseStopped(): void {
    this.reclaim();
    process.kill(this.pid, "SIGSTOP");
    this.release();
  }

  /** Ends the process, as the user asked for. */
  kill(): void {
    process.kill(this.pid, "SIGKILL");
    for (const tracee of [...this.threads.values()].reverse()) tracee.reap();
  }
}
