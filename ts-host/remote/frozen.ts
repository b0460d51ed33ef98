/**
 * A frozen process: all its threads traced and stopped. What is done to it goes through `remote`, and
 * `release` lets it run on as if nothing had been done.
 */
import { TargetGoneError, UnsupportedError } from "../errors.ts";
import { SIGSTOP, signalBit } from "../kernel/abi/signal.ts";
import type { ProcStatus } from "../kernel/proc/status.ts";
import { ProcPid } from "../kernel/process.ts";
import { Arena } from "./arena.ts";
import { BlobRemote, endSignals } from "./blob.ts";
import { letGo, stopAllThreads } from "./freeze.ts";
import type { Remote } from "./remote.ts";
import { settleRseq } from "./rseq.ts";
import { StepRemote } from "./step.ts";
import { TARGET_OPTIONS, type Tracee } from "./tracee.ts";
import { findSyscallInstruction } from "./vdso.ts";
import { settleWait } from "./waits.ts";

export interface FreezeOptions {
  /** Longest that all threads together may take to stop, in µs. */
  timeoutUs: number;
}

const STOP_TIMEOUT_US = 10_000_000;
/** Code segment of 64-bit user code (__USER_CS). */
const USER_CS = 0x33n;

/** Makes a stopped thread ready for calls; its status. Nothing that the thread could notice is changed. */
function prepare(pid: number, tracee: Tracee): ProcStatus {
  const { tid } = tracee;
  if (tracee.getRegisters().get("cs") !== USER_CS) {
    throw new UnsupportedError("runs 32-bit code: not supported yet", { pid, tid });
  }
  // Only asked now, because a thread that ran on after it was asked could have got its filters since.
  const status = new ProcPid(pid, tid).status();
  if (status.seccomp !== 0) tracee.suspendSeccomp(TARGET_OPTIONS);
  tracee.userDispatch = tracee.getUserDispatch();
  settleRseq(tracee);
  settleWait(tracee);
  return status;
}

export class FrozenProcess {
  readonly pid: number;
  /** By tid. */
  readonly threads: ReadonlyMap<number, Tracee>;
  /** /proc/PID/task/TID/status of the stopped threads, by tid. */
  readonly statuses: ReadonlyMap<number, ProcStatus>;
  private readonly instruction: bigint;
  private readonly signals: number[];
  private arena: Arena | undefined;

  private constructor(
    pid: number,
    threads: ReadonlyMap<number, Tracee>,
    statuses: ReadonlyMap<number, ProcStatus>,
  ) {
    this.pid = pid;
    this.threads = threads;
    this.statuses = statuses;
    this.instruction = findSyscallInstruction(pid);
    const { sigCgt, sigPnd, shdPnd } = new ProcPid(pid).status();
    this.signals = endSignals(sigCgt, sigPnd | shdPnd);
  }

  /** Stops the process. Whatever fails, it runs on. */
  static freeze(pid: number, options: FreezeOptions): FrozenProcess {
    const threads = stopAllThreads(pid, options.timeoutUs);
    try {
      const statuses = new Map([...threads].map(([tid, tracee]) => [tid, prepare(pid, tracee)]));
      return new FrozenProcess(pid, threads, statuses);
    } catch (error) {
      letGo(threads.values());
      throw error;
    }
  }

  get leader(): Tracee {
    return this.threads.get(this.pid)!;
  }

  /** Runs batches in one thread. The first call lends the process its arena. */
  remote(tid: number): Remote {
    this.arena ??= Arena.map(new StepRemote(this.leader, this.instruction));
    return new BlobRemote(this.threads.get(tid)!, this.arena, this.signals);
  }

  /** The range that is lent, which is not the process's own. */
  get lent(): { start: bigint; end: bigint } | undefined {
    return this.arena?.range;
  }

  /** Fails when the process was killed meanwhile: what was read of it is then not to be trusted. */
  checkHeld(cause?: unknown): void {
    for (const tracee of this.threads.values()) {
      if (tracee.isHeld()) continue;
      throw new TargetGoneError("was ended while it was frozen", { pid: this.pid }, cause);
    }
  }

  /** The signal for which the process stands still, or will when it is let go. */
  get stopSignal(): number | undefined {
    this.leader.stopAgain(STOP_TIMEOUT_US);
    if (this.leader.stoppedBy !== undefined) return this.leader.stoppedBy;
    const { sigPnd, shdPnd } = new ProcPid(this.pid).status();
    return ((sigPnd | shdPnd) & signalBit(SIGSTOP)) === 0n ? undefined : SIGSTOP;
  }

  /** Takes the arena back. */
  private reclaim(): void {
    if (!this.arena) return;
    const arena = this.arena;
    this.arena = undefined;
    arena.unmap(new StepRemote(this.leader, this.instruction));
  }

  /** Lets the process run on as if nothing had been done to it. */
  release(): void {
    try {
      this.reclaim();
    } finally {
      letGo(this.threads.values());
    }
  }

  /** Lets the process go, but stopped, as the user asked for. */
  releaseStopped(): void {
    try {
      this.reclaim();
      process.kill(this.pid, "SIGSTOP");
    } finally {
      letGo(this.threads.values());
    }
  }

  /** Ends the process, as the user asked for. */
  kill(): void {
    process.kill(this.pid, "SIGKILL");
    for (const tracee of [...this.threads.values()].reverse()) tracee.reap();
  }
}
