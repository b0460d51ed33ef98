/**
 * Signals that POSIX timers have sent and nobody has taken. A timer sends one and then waits until that is
 * taken, counting how often it would have expired meanwhile; the count is shown only to who takes it. So
 * such a signal must be sent by its timer again: it is armed as of the time at which it was due first. A dump
 * finds the count out by taking the signal, and has the timer send it again in the same way.
 *
 * Not so with timers of CPU time, which cannot be armed like that: their signal is queued as it was.
 */
import type { RestoreTask } from "../engine/restore-task.ts";
import { DeadlineError } from "../errors.ts";
import type { PosixTimerEntry } from "../generated/messages.ts";
import { SI_TIMER, signalBit, timerSiginfo } from "../kernel/abi/signal.ts";
import { itimerspec, TIMER_ABSTIME, timespec } from "../kernel/abi/time.ts";
import { Batch } from "../remote/batch.ts";
import type { Remote } from "../remote/remote.ts";
import type { SignalOwner, Tracee } from "../remote/tracee.ts";

const SECOND = 1_000_000_000n;
/** Longest that a timer may take to send the signal that is due, in ms. */
const PATIENCE_MS = 5000;

/** A thread, stopped; of a task that is dumped or restored. */
interface Thread {
  readonly remote: Remote;
  readonly tracee: Tracee;
}

/** Clock ids of CPU time are negative. */
export const isCpuClock = (clock: number) => clock < 0;

const isFrom = (timer: PosixTimerEntry, info: Uint8Array) => {
  const { si_code, si_tid, si_signo } = timerSiginfo.read(info);
  return si_code === SI_TIMER && si_tid === timer.it_id && si_signo === timer.si_signo;
};

/** In ns. */
const leftOf = ({ vsec, vnsec }: PosixTimerEntry) => vsec * SECOND + vnsec;
const intervalOf = ({ isec, insec }: PosixTimerEntry) => isec * SECOND + insec;

export const isPeriodic = (timer: PosixTimerEntry) => intervalOf(timer) !== 0n;

/** One that was set anew after it had sent its signal may have longer to go. */
function hasExpired(timer: PosixTimerEntry): boolean {
  return isPeriodic(timer) ? leftOf(timer) <= intervalOf(timer) : leftOf(timer) === 0n;
}

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

/** Asks for the time of the timer's clock; in ns once the batch has run. */
function askTime(batch: Batch, timer: PosixTimerEntry): () => bigint {
  const time = batch.room(timespec.size);
  batch.call("clock_gettime", [timer.clock_id, time]);
  return () => {
    const { tv_sec, tv_nsec } = timespec.read(time.bytes);
    return tv_sec * SECOND + tv_nsec;
  };
}

/** Arms the timer to be due at `due`, which has passed, and waits for its signal: so signals keep their order. */
function sendAsOf(thread: Thread, timer: PosixTimerEntry, due: bigint, owner: SignalOwner): void {
  // No time is before 1; 0 would disarm the timer.
  const time = due < 1n ? 1n : due;
  const setting = itimerspec.pack({
    it_value: { tv_sec: time / SECOND, tv_nsec: time % SECOND },
    it_interval: { tv_sec: timer.isec, tv_nsec: timer.insec },
  });
  const batch = new Batch();
  batch.call("timer_settime", [timer.it_id, TIMER_ABSTIME, batch.bytes(setting), 0]);
  thread.remote.run(batch);
  const deadline = performance.now() + PATIENCE_MS;
  while (!thread.tracee.getPendingSignals(owner).some((info) => isFrom(timer, info))) {
    if (performance.now() > deadline) throw new DeadlineError(`timer ${timer.it_id} did not send its signal`);
  }
}

/** Has the timer of a restored task send `info` again, with all the expirations that it had missed. */
export function sendAgain(
  thread: Thread,
  timer: PosixTimerEntry,
  info: Uint8Array,
  owner: SignalOwner,
): void {
  const batch = new Batch();
  const now = askTime(batch, timer);
  thread.remote.run(batch);
  const missed = BigInt(timerSiginfo.read(info).si_overrun) + 1n;
  sendAsOf(thread, timer, now() + leftOf(timer) - missed * intervalOf(timer), owner);
}

/**
 * The signal of a timer as who takes it would see it, with its count. It must be the only one of its number
 * that the thread would take. undefined when nobody would see it, as the timer was set anew since.
 */
export function withCount(
  thread: Thread,
  timer: PosixTimerEntry,
  owner: SignalOwner,
): Uint8Array | undefined {
  const batch = new Batch();
  const info = batch.room(timerSiginfo.size);
  const set = batch.bytes(new Uint8Array(new BigUint64Array([signalBit(timer.si_signo)]).buffer));
  const taken = batch.call("rt_sigtimedwait", [set, info, batch.room(timespec.size), 8], { mayFail: true });
  const now = askTime(batch, timer);
  const setting = batch.room(itimerspec.size);
  batch.call("timer_gettime", [timer.it_id, setting]);
  thread.remote.run(batch);
  if (taken.failed) return undefined;
  const { tv_sec, tv_nsec } = itimerspec.read(setting.bytes).it_value;
  const missed = BigInt(timerSiginfo.read(info.bytes).si_overrun) + 1n;
  sendAsOf(thread, timer, now() + tv_sec * SECOND + tv_nsec - missed * intervalOf(timer), owner);
  return info.bytes;
}
