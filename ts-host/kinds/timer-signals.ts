/**
 * Signals that POSIX timers have sent. A timer sends one and then waits until that is taken, counting how often
 * it would have expired meanwhile; the count is shown only to who takes it, and by timer_getoverrun afterwards.
 * So such a signal must be sent by its timer again: it is armed as of the time at which it was due first. A dump
 * finds the count out by taking the signal, and has the timer send it again in the same way; a host that dies
 * in between costs the task that signal.
 *
 * Not so with timers of CPU time, which cannot be armed like that: their signal is queued as it was.
 * Lost: their counts, and what timer_getoverrun says while the timer's next signal is pending already.
 */
import type { DumpThread } from "../engine/dump-task.ts";
import type { RestoreTask } from "../engine/restore-task.ts";
import { DeadlineError } from "../errors.ts";
import type { PosixTimerEntry } from "../generated/messages.ts";
import type { LayoutValue } from "../kernel/abi/layout.ts";
import {
  SI_TIMER,
  SIGEV_THREAD_ID,
  SIGNAL_MASK_SIZE,
  siginfo,
  signalBit,
  timerSiginfo,
} from "../kernel/abi/signal.ts";
import { itimerspec, TIMER_ABSTIME, timespec } from "../kernel/abi/time.ts";
import { now } from "../kernel/clock.ts";
import { Batch, type Data, type Op } from "../remote/batch.ts";
import type { Remote } from "../remote/remote.ts";
import type { SignalOwner, Tracee } from "../remote/tracee.ts";

const SECOND = 1_000_000_000n;
/** Longest that a timer may take to send the signal that is due, in ms. */
const PATIENCE_MS = 5000;

/** A stopped thread of a task that is dumped or restored. */
interface Thread {
  readonly tid: number;
  readonly task: { readonly pid: number };
  readonly remote: Remote;
  readonly tracee: Tracee;
}

/** Clock ids of CPU time are negative. */
export const isCpuClock = (clock: number) => clock < 0;

const isFrom = (timer: PosixTimerEntry, info: Uint8Array) => {
  const { si_code, si_tid, si_signo } = timerSiginfo.read(info);
  return si_code === SI_TIMER && si_tid === timer.it_id && si_signo === timer.si_signo;
};

/** Has a thread send itself a signal with any siginfo: nobody else may say that the kernel sent one. */
export function queueSignal(batch: Batch, thread: Thread, owner: SignalOwner, info: Uint8Array): void {
  const { si_signo } = siginfo.read(info);
  const { pid } = thread.task;
  if (owner === "process") batch.call("rt_sigqueueinfo", [pid, si_signo, batch.bytes(info)]);
  else batch.call("rt_tgsigqueueinfo", [pid, thread.tid, si_signo, batch.bytes(info)]);
}

const nanoseconds = ({ tv_sec, tv_nsec }: LayoutValue<typeof timespec>) => tv_sec * SECOND + tv_nsec;

/** In ns. */
const leftOf = ({ vsec, vnsec }: PosixTimerEntry) => vsec * SECOND + vnsec;
const intervalOf = ({ isec, insec }: PosixTimerEntry) => isec * SECOND + insec;

const isPeriodic = (timer: PosixTimerEntry) => intervalOf(timer) !== 0n;

/** One that was set anew after it had sent its signal may have longer to go. */
const hasExpired = (timer: PosixTimerEntry) => leftOf(timer) <= intervalOf(timer);

/** The timer that has sent this signal, if it can send it again. */
export function senderOf(timers: readonly PosixTimerEntry[] | undefined, info: Uint8Array) {
  return timers?.find((timer) => isFrom(timer, info) && !isCpuClock(timer.clock_id | 0) && hasExpired(timer));
}

export function timersWithPendingSignal(task: RestoreTask): Set<PosixTimerEntry> {
  const queues = [task.core.signals_s, ...task.threads.map(({ core }) => core.signals_p)];
  const signals = queues.flatMap((queue) => queue?.signals ?? []);
  const senders = signals.map(({ siginfo }) => senderOf(task.core.timers?.posix, siginfo));
  return new Set(senders.filter((timer) => timer !== undefined));
}

/** Asks for the time of the timer's clock, in ns. */
function askTime(batch: Batch, timer: PosixTimerEntry): () => bigint {
  const time = batch.room(timespec.size);
  batch.call("clock_gettime", [timer.clock_id, time]);
  return () => nanoseconds(timespec.read(time.bytes));
}

/** Asks how long the timer has to go, in ns. */
function askLeft(batch: Batch, timer: PosixTimerEntry): () => bigint {
  const setting = batch.room(itimerspec.size);
  batch.call("timer_gettime", [timer.it_id, setting]);
  return () => nanoseconds(itimerspec.read(setting.bytes).it_value);
}

/**
 * Arms a timer, whose next expiration is at `next`, as of the time at which the signal `info` was due, and
 * waits for the signal: so signals keep their order.
 */
function sendBefore(
  next: bigint,
  thread: Thread,
  timer: PosixTimerEntry,
  info: Uint8Array,
  owner: SignalOwner,
) {
  const missed = BigInt(timerSiginfo.read(info).si_overrun) + 1n;
  // The clock may have begun later, here: before that nothing can have been due.
  const possible = isPeriodic(timer) ? (next - 1n) / intervalOf(timer) : 0n;
  const due = next - (missed < possible ? missed : possible) * intervalOf(timer);
  const setting = itimerspec.pack({
    it_value: { tv_sec: due / SECOND, tv_nsec: due % SECOND },
    it_interval: { tv_sec: timer.isec, tv_nsec: timer.insec },
  });
  const batch = new Batch();
  batch.call("timer_settime", [timer.it_id, TIMER_ABSTIME, batch.bytes(setting), 0]);
  thread.remote.run(batch);
  const deadline = now() + PATIENCE_MS;
  while (!thread.tracee.getPendingSignals(owner).some((pending) => isFrom(timer, pending))) {
    if (now() > deadline) throw new DeadlineError(`timer ${timer.it_id} did not send its signal`);
  }
}

/** Has the timer of a restored task send `info` again, with all the expirations that were missed. */
export function sendAgain(
  thread: Thread,
  timer: PosixTimerEntry,
  info: Uint8Array,
  owner: SignalOwner,
): void {
  const batch = new Batch();
  const now = askTime(batch, timer);
  thread.remote.run(batch);
  sendBefore(now() + leftOf(timer), thread, timer, info, owner);
}

/** Takes the next pending signal of this number, if there is one. */
function take(batch: Batch, signal: number): { taken: Op; info: Data } {
  const set = batch.bytes(new Uint8Array(new BigUint64Array([signalBit(signal)]).buffer));
  const info = batch.room(siginfo.size);
  const noTime = batch.room(timespec.size);
  const taken = batch.call("rt_sigtimedwait", [set, info, noTime, SIGNAL_MASK_SIZE], { mayFail: true });
  return { taken, info };
}

/** Whether timer_getoverrun has something to say about the last signal that was taken. */
export const hasOverrun = (timer: PosixTimerEntry) =>
  timer.overrun > 0 && isPeriodic(timer) && !isCpuClock(timer.clock_id | 0);

/** Arms a timer of a restored task that `hasOverrun`: its last signal is sent, and taken, once more. */
export function armWithOverrun(thread: Thread, timer: PosixTimerEntry): void {
  const { it_id, si_signo, overrun } = timer;
  const owner = timer.it_sigev_notify === SIGEV_THREAD_ID ? "thread" : "process";
  const info = timerSiginfo.pack({ si_signo, si_code: SI_TIMER, si_tid: it_id, si_overrun: overrun });
  sendAgain(thread, timer, info, owner);
  const batch = new Batch();
  take(batch, si_signo);
  thread.remote.run(batch);
}

/**
 * The signal of a timer as who takes it would see it, with its count. It must be the only one of its number
 * that the thread could take. undefined when nobody would see it: newer kernels drop one whose timer was set
 * anew, or deleted, since.
 */
export function asTaken(thread: DumpThread, info: Uint8Array, owner: SignalOwner): Uint8Array | undefined {
  const { core, options } = thread.task;
  const timer = core.timers?.posix?.find((one) => isFrom(one, info));
  if (timer && isCpuClock(timer.clock_id | 0)) return info;
  // Sending it again would cost the task that runs on what timer_getoverrun says.
  if (timer && hasOverrun(timer) && options.leaveRunning) return info;
  const batch = new Batch();
  const { taken, info: room } = take(batch, siginfo.read(info).si_signo);
  const now = timer && askTime(batch, timer);
  const left = timer && askLeft(batch, timer);
  thread.remote.run(batch);
  if (taken.failed) return undefined;
  if (timer && now && left && hasExpired(timer)) {
    sendBefore(now() + left(), thread, timer, room.bytes, owner);
  } else {
    const again = new Batch();
    queueSignal(again, thread, owner, room.bytes);
    thread.remote.run(again);
  }
  return room.bytes;
}
