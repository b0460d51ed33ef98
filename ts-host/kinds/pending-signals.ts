/**
 * Pending signals of the process and of each thread, with their siginfo, in the order of their arrival. The
 * host could not send them: only a thread itself may say that the kernel, or another process, sent one. So
 * each thread queues its own, all signals being masked; those of POSIX timers are sent by these
 * (timer-signals.ts). A SIGSTOP that waits counts as being stopped. Nothing is lost.
 */
import type { DumpThread } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import type { SignalQueueEntry } from "../generated/messages.ts";
import { SI_USER, SIGRTMAX, SIGSTOP, SIGTRAP, siginfo, signalBit } from "../kernel/abi/signal.ts";
import { Batch } from "../remote/batch.ts";
import type { SignalOwner } from "../remote/tracee.ts";
import { isPeriodic, sendAgain, senderOf, withCount } from "./timer-signals.ts";

const numberOf = (info: Uint8Array) => siginfo.read(info).si_signo;

/** When memory for its siginfo lacked, a signal pends without one, and arrives as from nobody. */
function fromNobody(signals: bigint): Uint8Array[] {
  const numbers = Array.from({ length: SIGRTMAX }, (_, index) => index + 1);
  return numbers
    .filter((signal) => (signals & signalBit(signal)) !== 0n)
    .map((signal) => siginfo.pack({ si_signo: signal, si_code: SI_USER }));
}

/** `pending` is the mask of what pends, with siginfo or without. */
function queueOf(thread: DumpThread, owner: SignalOwner, pending: bigint): SignalQueueEntry {
  const queued = thread.tracee.getPendingSignals(owner);
  // A thread takes its own signals first.
  const sooner = owner === "process" ? thread.tracee.getPendingSignals("thread") : [];
  const known = queued.reduce((mask, info) => mask | signalBit(numberOf(info)), 0n);
  const isAlone = (info: Uint8Array) =>
    [...sooner, ...queued].filter((other) => numberOf(other) === numberOf(info)).length === 1;
  const counted = queued.map((info) => {
    const timer = senderOf(thread.task.core.timers?.posix, info);
    return timer && isPeriodic(timer) && isAlone(info) ? withCount(thread, timer, owner) : info;
  });
  const signals = [...counted, ...fromNobody(pending & ~known)]
    .filter((info) => info !== undefined)
    .filter((info) => numberOf(info) !== SIGSTOP);
  return { signals: signals.map((info) => ({ siginfo: info })) };
}

function queueAgain(thread: RestoreThread, owner: SignalOwner, queue: SignalQueueEntry | undefined) {
  const { tid, task } = thread;
  const signals = queue?.signals.map((entry) => entry.siginfo) ?? [];
  if (signals.some((info) => numberOf(info) === SIGTRAP)) task.trapsAreSafe = false;
  // When the actions are set: to ignore a signal throws away what is pending of it.
  return () => {
    let batch = new Batch();
    for (const info of signals) {
      const timer = senderOf(task.core.timers?.posix, info);
      if (timer || batch.isFull) {
        thread.remote.run(batch);
        batch = new Batch();
      }
      if (timer) sendAgain(thread, timer, info, owner);
      else if (owner === "process")
        batch.call("rt_sigqueueinfo", [task.pid, numberOf(info), batch.bytes(info)]);
      else batch.call("rt_tgsigqueueinfo", [task.pid, tid, numberOf(info), batch.bytes(info)]);
    }
    thread.remote.run(batch);
  };
}

export const pendingSignals: Kind = {
  name: "pending-signal",
  after: ["signal-action", "posix-timer"],

  dumpTask(task) {
    return () => {
      const { shdPnd } = task.proc.status();
      task.core.signals_s = queueOf(task.leader, "process", shdPnd);
    };
  },

  dumpThread(thread) {
    return () => {
      const { sigPnd } = thread.proc.status();
      thread.core.signals_p = queueOf(thread, "thread", sigPnd);
    };
  },

  restoreTask: {
    arm: (task) => queueAgain(task.leader, "process", task.core.signals_s),
  },

  restoreThread: {
    arm: (thread) => queueAgain(thread, "thread", thread.core.signals_p),
  },
};
