/**
 * Pending signals of the process and of each thread, with their siginfo, in the order of their arrival. The
 * host could not send them: only a thread itself may say that the kernel, or another process, sent one. So
 * each thread queues its own, all signals being masked; those of POSIX timers are sent by these
 * (timer-signals.ts). A SIGSTOP that waits counts as being stopped.
 *
 * Lost: how often a timer had expired whose signal is not the only one of its number that waits.
 */
import type { DumpThread } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import { ImageError } from "../errors.ts";
import type { SignalQueueEntry } from "../generated/messages.ts";
import { RLIMIT_SIGPENDING, rlimit64 } from "../kernel/abi/resource.ts";
import {
  SI_TIMER,
  SI_USER,
  SIGNAL_MASK_SIZE,
  SIGRTMAX,
  SIGSTOP,
  siginfo,
  signalBit,
  signalMask,
} from "../kernel/abi/signal.ts";
import { Batch } from "../remote/batch.ts";
import type { Remote } from "../remote/remote.ts";
import type { SignalOwner } from "../remote/tracee.ts";
import { asTaken, queueSignal, sendAgain, senderOf } from "./timer-signals.ts";

const numberOf = (info: Uint8Array) => siginfo.read(info).si_signo;
const isOfTimer = (info: Uint8Array) => siginfo.read(info).si_code === SI_TIMER;

/** When memory for its siginfo lacked, a signal pends without one, and arrives as from nobody. */
function fromNobody(signals: bigint): Uint8Array[] {
  const numbers = Array.from({ length: SIGRTMAX }, (_, index) => index + 1);
  return numbers
    .filter((signal) => (signals & signalBit(signal)) !== 0n)
    .map((signal) => siginfo.pack({ si_signo: signal, si_code: SI_USER }));
}

/** `pending` asks what pends, with siginfo or without: a mask. */
function queueOf(thread: DumpThread, owner: SignalOwner, pending: () => bigint): SignalQueueEntry {
  const queued = thread.tracee.getPendingSignals(owner);
  // A thread takes its own signals first.
  const sooner = owner === "process" ? thread.tracee.getPendingSignals("thread") : [];
  const isAlone = (info: Uint8Array) =>
    [...sooner, ...queued].filter((other) => numberOf(other) === numberOf(info)).length === 1;
  const seen = queued.map((info) => (isOfTimer(info) && isAlone(info) ? asTaken(thread, info, owner) : info));
  const known = signalMask(queued.map(numberOf));
  const signals = [...seen, ...fromNobody(pending() & ~known)]
    .filter((info) => info !== undefined)
    .filter((info) => numberOf(info) !== SIGSTOP);
  return { signals: signals.map((info) => ({ siginfo: info })) };
}

/** The soft limit of queued signals may have been lowered after they were sent. */
function withHighestLimit(remote: Remote, body: () => void): void {
  const asking = new Batch();
  const limit = asking.room(rlimit64.size);
  asking.call("prlimit64", [0, RLIMIT_SIGPENDING, 0, limit]);
  remote.run(asking);
  const { rlim_cur, rlim_max } = rlimit64.read(limit.bytes);
  const setSoft = (soft: bigint) => {
    const batch = new Batch();
    const content = rlimit64.pack({ rlim_cur: soft, rlim_max });
    batch.call("prlimit64", [0, RLIMIT_SIGPENDING, batch.bytes(content), 0]);
    remote.run(batch);
  };
  setSoft(rlim_max);
  body();
  setSoft(rlim_cur);
}

function queueAll(thread: RestoreThread, owner: SignalOwner, signals: Uint8Array[]): void {
  const { remote, task } = thread;
  let batch = new Batch();
  for (const info of signals) {
    const timer = senderOf(task.core.timers?.posix, info);
    if (timer || batch.isFull) {
      remote.run(batch);
      batch = new Batch();
    }
    if (timer) sendAgain(thread, timer, info, owner);
    else queueSignal(batch, thread, owner, info);
  }
  remote.run(batch);
}

/** When the actions are set: to ignore a signal throws away what is pending of it. */
function queueAgain(thread: RestoreThread, owner: SignalOwner, queue: SignalQueueEntry | undefined) {
  const signals = queue?.signals.map((entry) => entry.siginfo) ?? [];
  if (signals.length === 0) return;
  return () => withHighestLimit(thread.remote, () => queueAll(thread, owner, signals));
}

function checkSizes(tid: number, field: string, queue: SignalQueueEntry | undefined): void {
  const wrong = queue?.signals.find((entry) => entry.siginfo.length !== siginfo.size);
  if (wrong)
    throw new ImageError(`a siginfo of ${wrong.siginfo.length} bytes, not ${siginfo.size}`, {
      file: `core-${tid}.img`,
      field,
    });
}

export const pendingSignals: Kind = {
  name: "pending-signal",
  after: ["signal-action", "posix-timer"],

  dumpTask(task) {
    return () => {
      task.core.signals_s = queueOf(task.leader, "process", () => task.proc.status().shdPnd);
    };
  },

  dumpThread(thread, batch) {
    const pending = batch.room(SIGNAL_MASK_SIZE);
    batch.call("rt_sigpending", [pending, SIGNAL_MASK_SIZE]);
    return () => {
      const ofProcess = thread.task.core.signals_s!.signals.map((entry) => numberOf(entry.siginfo));
      const mayBeOwn = pending.bytes.readBigUInt64LE(0) & ~signalMask(ofProcess);
      // Nothing pends in most threads, and to read the status of each would take long.
      const own = () => (mayBeOwn === 0n ? 0n : thread.proc.status().sigPnd);
      thread.core.signals_p = queueOf(thread, "thread", own);
    };
  },

  restoreTask: {
    check(task) {
      checkSizes(task.pid, "tc.signals_s", task.core.signals_s);
      for (const { tid, core } of task.threads) checkSizes(tid, "thread_core.signals_p", core.signals_p);
    },
    arm: (task) => queueAgain(task.leader, "process", task.core.signals_s),
  },

  restoreThread: {
    arm: (thread) => queueAgain(thread, "thread", thread.core.signals_p),
  },
};
