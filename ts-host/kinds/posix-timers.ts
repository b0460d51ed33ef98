/**
 * POSIX timers: id, clock, notification, time left and interval. All count on from what was left: clocks may
 * have been set meanwhile, and those of CPU time begin anew. What the signals that they have sent leave behind
 * is the subject of timer-signals.ts.
 */
import type { DumpTask } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreTask, RestoreThread } from "../engine/restore-task.ts";
import { HostMismatchError, UnsupportedError } from "../errors.ts";
import type { PosixTimerEntry } from "../generated/messages.ts";
import {
  PR_TIMER_CREATE_RESTORE_IDS,
  PR_TIMER_CREATE_RESTORE_IDS_GET,
  PR_TIMER_CREATE_RESTORE_IDS_ON,
} from "../kernel/abi/prctl.ts";
import { SIGEV_NONE, SIGEV_THREAD_ID, sigevent } from "../kernel/abi/signal.ts";
import { CLOCK_MONOTONIC, itimerspec } from "../kernel/abi/time.ts";
import type { ProcTimer } from "../kernel/proc/timers.ts";
import { Batch, type Data } from "../remote/batch.ts";
import { inBatches, type Remote } from "../remote/remote.ts";
import { armWithOverrun, hasOverrun, isCpuClock, timersWithPendingSignal } from "./timer-signals.ts";

/** Highest id that is reached by making and deleting all timers before it. */
const HIGHEST_ID_IN_TURN = 1_000_000;

/** Clock ids of CPU time: complement of the pid, 1 bit for that of a thread, 2 bits for what counts. */
const ownerOf = (clock: number) => ~(clock >> 3);
const isOfThread = (clock: number) => (clock & 4) !== 0;

function refuseClock(task: DumpTask, { id, clock }: ProcTimer): void {
  if (!isCpuClock(clock)) return;
  const owner = ownerOf(clock);
  if (owner === 0 && isOfThread(clock) && task.threads.length > 1)
    throw new UnsupportedError(
      `timer ${id} counts the CPU time of one thread, and the kernel does not say of which`,
    );
  if (owner !== 0 && !task.threads.some(({ tid }) => tid === owner))
    throw new UnsupportedError(`timer ${id} counts the CPU time of pid ${owner}, which is not dumped`);
}

function toImage(timer: ProcTimer, setting: Data, overrun: number): PosixTimerEntry {
  const { it_value, it_interval } = itimerspec.read(setting.bytes);
  return {
    it_id: timer.id,
    clock_id: timer.clock >>> 0,
    si_signo: timer.signal,
    it_sigev_notify: timer.notify,
    sival_ptr: timer.value,
    overrun,
    isec: it_interval.tv_sec,
    insec: it_interval.tv_nsec,
    vsec: it_value.tv_sec,
    vnsec: it_value.tv_nsec,
    ...(timer.notify === SIGEV_THREAD_ID ? { notify_thread_id: timer.target } : {}),
  };
}

/** The thread that takes the timer's signals. It may have ended; the timer has been silent since. */
function notified(task: RestoreTask, timer: PosixTimerEntry): RestoreThread | undefined {
  if (timer.it_sigev_notify !== SIGEV_THREAD_ID) return task.leader;
  return task.threads.find(({ tid }) => tid === timer.notify_thread_id);
}

function create(batch: Batch, task: RestoreTask, timer: PosixTimerEntry): Data {
  const event = sigevent.pack({
    sigev_value: timer.sival_ptr,
    sigev_signo: timer.si_signo,
    sigev_notify: notified(task, timer) ? timer.it_sigev_notify : SIGEV_NONE,
    sigev_notify_thread_id: timer.notify_thread_id ?? 0,
  });
  const id = batch.bytes(new Uint8Array(new Int32Array([timer.it_id]).buffer));
  batch.call("timer_create", [timer.clock_id | 0, batch.bytes(event), id]);
  return id;
}

/** Since Linux 6.15, a task can ask for the ids that its new timers get. */
function createTimers(task: RestoreTask, timers: readonly PosixTimerEntry[]): void {
  const batch = new Batch();
  const mode = batch.call("prctl", restoreIds(PR_TIMER_CREATE_RESTORE_IDS_GET), { mayFail: true });
  task.run(batch);
  if (mode.failed) createInTurn(task, timers);
  else createWithIds(task, timers, mode.result);
}

const restoreIds = (mode: number) => [PR_TIMER_CREATE_RESTORE_IDS, mode, 0, 0, 0];

function createWithIds(task: RestoreTask, timers: readonly PosixTimerEntry[], modeBefore: number): void {
  const setMode = (mode: number) => {
    const batch = new Batch();
    batch.call("prctl", restoreIds(mode));
    task.run(batch);
  };
  setMode(PR_TIMER_CREATE_RESTORE_IDS_ON);
  inBatches(task.leader.remote, timers, (batch, timer) => create(batch, task, timer));
  setMode(modeBefore);
}

/** Makes and deletes timers until the next one gets id `end`. */
function skipIds(remote: Remote, start: number, end: number): void {
  const ids = Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
  inBatches(remote, ids, (batch) => {
    const id = batch.room(4);
    batch.call("timer_create", [CLOCK_MONOTONIC, 0, id]);
    batch.call("timer_delete", [id.word32()]);
  });
}

/** Before, ids are given in turn, from 0. */
export function createInTurn(task: RestoreTask, timers: readonly PosixTimerEntry[]): void {
  const last = timers.at(-1)!.it_id;
  if (last > HIGHEST_ID_IN_TURN)
    throw new HostMismatchError(`a timer cannot get its id, ${last}`, {
      hint: "Linux 6.15 or newer is needed",
    });
  let next = 0;
  for (const timer of timers) {
    skipIds(task.leader.remote, next, timer.it_id);
    const batch = new Batch();
    const id = create(batch, task, timer);
    task.run(batch);
    if (id.bytes.readInt32LE(0) !== timer.it_id)
      throw new HostMismatchError(`a timer got the id ${id.bytes.readInt32LE(0)}, not ${timer.it_id}`);
    next = timer.it_id + 1;
  }
}

function arm(batch: Batch, { it_id, isec, insec, vsec, vnsec }: PosixTimerEntry): void {
  const isDue = vsec === 0n && vnsec === 0n && (isec !== 0n || insec !== 0n);
  const setting = itimerspec.pack({
    it_value: { tv_sec: vsec, tv_nsec: isDue ? 1n : vnsec },
    it_interval: { tv_sec: isec, tv_nsec: insec },
  });
  batch.call("timer_settime", [it_id, 0, batch.bytes(setting), 0]);
}

export const posixTimers: Kind = {
  name: "posix-timer",
  after: ["itimer"],

  dumpTask(task) {
    for (const timer of task.proc.timers()) refuseClock(task, timer);
    return () => {
      // The kernel lists the youngest first.
      const timers = task.proc.timers().reverse();
      const answers = inBatches(task.leader.remote, timers, (batch, { id }) => {
        const setting = batch.room(itimerspec.size);
        batch.call("timer_gettime", [id, setting]);
        return { setting, overrun: batch.call("timer_getoverrun", [id]) };
      });
      task.core.timers!.posix = timers.map((timer, index) => {
        const { setting, overrun } = answers[index]!;
        return toImage(timer, setting, overrun.result);
      });
    };
  },

  restoreTask: {
    thread(task) {
      const timers = [...(task.core.timers?.posix ?? [])].sort((a, b) => a.it_id - b.it_id);
      if (timers.length > 0) createTimers(task, timers);
    },

    arm(task) {
      const armedBySignal = timersWithPendingSignal(task);
      return () => {
        const timers = (task.core.timers?.posix ?? []).filter((timer) => !armedBySignal.has(timer));
        inBatches(task.leader.remote, timers, (batch, timer) => {
          const thread = notified(task, timer);
          if (thread && hasOverrun(timer)) armWithOverrun(thread, timer);
          else arm(batch, timer);
        });
      };
    },
  },
};
