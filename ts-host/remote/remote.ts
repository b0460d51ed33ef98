/**
 * Runs batches in a stopped thread. Two back-ends for one encoding:
 *   step.ts   nothing injected: each call by ptrace alone, at a syscall instruction the target has anyway;
 *             15 to 30 µs a call. It maps and unmaps the arena.
 *   blob.ts   the loop of shim/blob.S in the arena: one stop for the whole list, 0.2 µs a call.
 * Registers and signal mask are put back after every batch: a host that dies between two leaves a target
 * that runs on.
 */
import { RemoteCallError } from "../errors.ts";
import { PR_SYS_DISPATCH_OFF } from "../kernel/abi/prctl.ts";
import { syscallUserDispatchConfig } from "../kernel/abi/ptrace.ts";
import { SIGSTOP, signalName } from "../kernel/abi/signal.ts";
import { errnoName } from "../kernel/errno.ts";
import { Batch, type Op } from "./batch.ts";
import type { Registers } from "./registers.ts";
import type { Stop, Tracee } from "./tracee.ts";

/** Longest that a batch may run, in µs. None of its calls waits for anything but the kernel itself. */
export const BATCH_DEADLINE = 30_000_000;

export interface Remote {
  /** Makes the calls; their results are then in the ops. A RemoteCallError names the op that failed. */
  run(batch: Batch): void;
}

/** What a thread has for itself and lends for the time of a batch. */
export interface OwnState {
  registers: Registers;
  mask: bigint;
}

const NO_DISPATCH = syscallUserDispatchConfig.pack({ mode: BigInt(PR_SYS_DISPATCH_OFF) });

/** Runs `body` with what the thread has for itself, and puts that back whatever happens. */
export function borrowing<T>(tracee: Tracee, body: (own: OwnState) => T): T {
  const own = { registers: tracee.getRegisters(), mask: tracee.getSignalMask() };
  if (tracee.userDispatch) tracee.setUserDispatch(NO_DISPATCH);
  try {
    return body(own);
  } finally {
    // A call that nothing can interrupt still has the thread.
    if (tracee.isStopped) {
      // In this order: with its own mask the blob finds its way back by itself, should the host die now.
      tracee.setSignalMask(own.mask);
      tracee.setRegisters(own.registers);
      if (tracee.userDispatch) tracee.setUserDispatch(tracee.userDispatch);
    }
  }
}

/** Waits for a stop of a thread that makes calls. One that is stuck is stopped and said to be `inCall`. */
export function nextStop(tracee: Tracee, deadlineUs: number, inCall: () => string | undefined): Stop {
  const stop = tracee.waitAtMost(deadlineUs);
  if (stop) return stop;
  tracee.interrupt();
  tracee.waitAtMost(deadlineUs);
  throw new RemoteCallError(`system call inside the task did not return within ${deadlineUs / 1e6} s`, {
    tid: tracee.tid,
    op: inCall(),
  });
}

/**
 * The signal to go on with after a stop that is none of ours. SIGSTOP, which cannot be blocked, takes its
 * course: the kernel keeps the stop for when the thread is let go.
 */
export function passOn(tracee: Tracee, stop: Stop): number {
  if (stop.kind !== "signal") return 0;
  if (stop.signal === SIGSTOP) return SIGSTOP;
  throw new RemoteCallError(`system calls inside the task ended in ${signalName(stop.signal)}`, {
    tid: tracee.tid,
  });
}

/** Fails if the last op that was made did. */
export function checkLast(batch: Batch, op: Op | undefined): void {
  if (!op?.failed || op.mayFail) return;
  throw new RemoteCallError("system call inside the task failed", {
    op: batch.print(op),
    errno: errnoName(-op.result),
    kind: op.kind,
  });
}

/**
 * Has `queue` add calls for each item, and makes them in as few batches as an arena takes; gives what `queue`
 * returned, whose results are there by then.
 */
export function inBatches<Item, Answer>(
  remote: Remote,
  items: readonly Item[],
  queue: (batch: Batch, item: Item) => Answer,
): Answer[] {
  let batch = new Batch();
  const answers = items.map((item) => {
    const answer = queue(batch, item);
    if (batch.isFull) {
      remote.run(batch);
      batch = new Batch();
    }
    return answer;
  });
  remote.run(batch);
  return answers;
}
