/** Stopping all threads of a process that goes on making threads, ending them and executing programs meanwhile. */
import { readdirSync, statSync } from "node:fs";
import { CriuWasmError, DeadlineError, TargetGoneError } from "../errors.ts";
import { now } from "../kernel/clock.ts";
import { ProcPid } from "../kernel/process.ts";
import { refuseUnstoppableThread } from "./stoppable.ts";
import { TARGET_OPTIONS, ThreadLostError, Tracee } from "./tracee.ts";

/** How long a thread that is to be let go may take to stop once more for that. */
const LET_GO_TIMEOUT_US = 1_000_000;
/** How long one attempt to seize, or one wait for a stop, may last before an exec is looked for that blocks it. */
const ATTEMPT_US = 20_000;
/** How often the kernel may refuse a thread without a reason that can be seen: that the thread was just ending. */
const REFUSALS = 50;

/** Seizes and stops every thread, within `timeoutUs`. Whatever fails, all are let go. */
export function stopAllThreads(pid: number, timeoutUs: number): Map<number, Tracee> {
  const freeze = new Freeze(pid, timeoutUs);
  try {
    freeze.stopAll();
    return freeze.held;
  } catch (error) {
    letGo(freeze.held.values());
    throw error;
  }
}

/** Lets threads run on. One that does not stop for that is let go by the kernel when this program ends. */
export function letGo(threads: Iterable<Tracee>): void {
  // The leader, which is the first, ends as the last; and an exec waits for the end of all others.
  const lastFirst = [...threads].reverse();
  for (const tracee of lastFirst) tracee.reapIfEnded();
  for (const tracee of lastFirst) {
    try {
      if (!tracee.isStopped) {
        tracee.interrupt();
        tracee.waitForInterrupt(LET_GO_TIMEOUT_US);
      }
      tracee.detach();
    } catch (error) {
      if (error instanceof TargetGoneError) tracee.reapIfEnded();
      else if (!(error instanceof DeadlineError)) throw error;
    }
  }
}

class Freeze {
  readonly held = new Map<number, Tracee>();
  private readonly pid: number;
  private readonly deadline: number;
  private refusals = 0;

  constructor(pid: number, timeoutUs: number) {
    this.pid = pid;
    this.deadline = now() + timeoutUs / 1000;
  }

  /** Lists the threads again until no new one has appeared. */
  stopAll(): void {
    for (;;) {
      const listed = this.list();
      this.forgetLost(listed);
      const fresh = listed.filter((tid) => !this.held.has(tid));
      if (fresh.length === 0 && this.count() === listed.length) return;
      if (this.isLate) throw new DeadlineError("makes threads faster than they stop", { pid: this.pid });
      const seized = fresh.map((tid) => this.seize(tid)).filter((tracee) => tracee !== undefined);
      for (const tracee of seized) this.stop(tracee);
    }
  }

  /** The leader first: readdirSync sorts names as text, where 10000 comes before 9999. */
  private list(): number[] {
    const tids = this.ifAlive(() => readdirSync(`/proc/${this.pid}/task`).map(Number));
    return [...tids.filter((tid) => tid === this.pid), ...tids.filter((tid) => tid !== this.pid)];
  }

  /** As the kernel counts threads: a list that is read while threads end may lack some. */
  private count(): number {
    return this.ifAlive(() => statSync(`/proc/${this.pid}/task`).nlink - 2);
  }

  private ifAlive<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw new TargetGoneError("the process is gone", { pid: this.pid }, error);
    }
  }

  private get isLate(): boolean {
    return now() > this.deadline;
  }

  /** Threads end; and after an exec by another thread, the leader is not the one that was stopped. */
  private forgetLost(listed: readonly number[]): void {
    const alive = new Set(listed);
    for (const tid of this.held.keys()) if (!alive.has(tid)) this.held.delete(tid);
    if (this.held.get(this.pid)?.isHeld() === false) this.held.delete(this.pid);
  }

  /** undefined for a thread that has ended, or that is to be tried again. */
  private seize(tid: number): Tracee | undefined {
    try {
      const tracee = this.seizeOnce(tid);
      this.held.set(tid, tracee);
      tracee.interrupt();
      return tracee;
    } catch (error) {
      if (error instanceof DeadlineError) this.letExecGoOn();
      else if (!(error instanceof TargetGoneError)) throw error;
      return undefined;
    }
  }

  /** An exec waits for the threads that it ends, and those for their tracer to take notice. */
  private letExecGoOn(): void {
    for (const [tid, tracee] of this.held) if (tracee.reapIfEnded()) this.held.delete(tid);
  }

  private seizeOnce(tid: number): Tracee {
    try {
      return Tracee.seize(tid, TARGET_OPTIONS, ATTEMPT_US);
    } catch (error) {
      if (!(error instanceof CriuWasmError) || error.context.errno !== "EPERM") throw error;
      const thread = new ProcPid(this.pid, tid);
      // A thread of ours, known by another id, that has become the leader by an exec.
      if (thread.status().tracerPid === process.pid) return Tracee.findAgain(tid);
      refuseUnstoppableThread(thread);
      if (++this.refusals < REFUSALS) throw new TargetGoneError("the thread has ended", { tid });
      throw error.within({ pid: this.pid, hint: "CAP_SYS_PTRACE is needed" });
    }
  }

  private stop(tracee: Tracee): void {
    while (!this.isSettled(tracee)) {
      if (this.isLate) throw this.whyNot(tracee.tid);
      this.letExecGoOn();
    }
  }

  /** Whether the thread has stopped, or ended, before the attempt is over. */
  private isSettled(tracee: Tracee): boolean {
    const { tid } = tracee;
    try {
      tracee.waitForInterrupt(ATTEMPT_US);
    } catch (error) {
      if (error instanceof DeadlineError) return false;
      if (!(error instanceof TargetGoneError)) throw error;
      if (!this.held.has(tid)) return true;
      if (tid === this.pid && !(error instanceof ThreadLostError)) throw error;
      this.held.delete(tid);
      // Its id is another one now: the leader's, who is no more.
      if (error instanceof ThreadLostError) this.held.delete(this.pid);
    }
    return true;
  }

  private whyNot(tid: number): DeadlineError {
    const thread = new ProcPid(this.pid, tid);
    refuseUnstoppableThread(thread);
    return new DeadlineError("did not stop in time", {
      pid: this.pid,
      tid,
      hint:
        thread.stat().state === "D"
          ? "it waits in the kernel for something that no signal interrupts"
          : "see --timeout",
    });
  }
}
