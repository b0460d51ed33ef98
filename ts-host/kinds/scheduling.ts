/**
 * How a thread is scheduled: policy, priority, nice value, custom time slice, the processors that it may use,
 * I/O priority, timer slack. All of it is set from outside, at the very end: a restore is not to compete for the
 * processor as the idlest of the threads would.
 *
 * Where the machine does not have the thread's processors, it runs on what there is, with a warning. Lost: what
 * timer slack and time slice go back to when the thread resets them. Refused: SCHED_DEADLINE, whose bandwidth
 * the machine may not have, utilization clamps, and core scheduling.
 */
import { writeFileSync } from "node:fs";
import type { DumpThread } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import { UnsupportedError } from "../errors.ts";
import { DEFAULTS } from "../generated/messages.ts";
import {
  PR_GET_TIMERSLACK,
  PR_SCHED_CORE,
  PR_SCHED_CORE_GET,
  PR_SCHED_CORE_SCOPE_THREAD,
} from "../kernel/abi/prctl.ts";
import {
  IOPRIO_CLASS_BE,
  IOPRIO_CLASS_IDLE,
  IOPRIO_CLASS_RT,
  IOPRIO_CLASS_SHIFT,
  IOPRIO_WHO_PROCESS,
  PRIO_PROCESS,
  SCHED_DEADLINE,
  SCHED_FIFO,
  SCHED_FLAG_RESET_ON_FORK,
  SCHED_IDLE,
  SCHED_RESET_ON_FORK,
  SCHED_RR,
  schedAttr,
} from "../kernel/abi/sched.ts";
import { processorCount } from "../kernel/system.ts";
import { callOnTask, tryCall } from "../native/calls.ts";

const { timer_slack_ns: STANDARD_SLACK } = DEFAULTS.criu_wasm_thread;
/** Bytes of a mask of processors, for the most that any kernel is built for. */
const MASK_SIZE = 1024;
/** The highest utilization that a clamp can let a thread be taken for. */
const FULL_UTILIZATION = 1024;

const isRealTime = (policy: number) => policy === SCHED_FIFO || policy === SCHED_RR;

function attributesOf(tid: number) {
  const answer = Buffer.alloc(64);
  callOnTask(tid, "sched_getattr", tid, answer, schedAttr.size, 0);
  return schedAttr.read(answer);
}

function refuseUnsupported(tid: number): void {
  const { sched_policy, sched_util_min, sched_util_max } = attributesOf(tid);
  if (sched_policy === SCHED_DEADLINE) throw new UnsupportedError("SCHED_DEADLINE: not supported yet");
  const unclamped = isRealTime(sched_policy) ? [0, FULL_UTILIZATION] : [0];
  // All 0 on a kernel without clamps.
  const isClamped = sched_util_max !== FULL_UTILIZATION && sched_util_max !== 0;
  if (isClamped || !unclamped.includes(sched_util_min)) {
    throw new UnsupportedError("utilization clamps (SCHED_FLAG_UTIL_CLAMP): not supported yet");
  }
  const cookie = Buffer.alloc(64);
  // Fails on a kernel or a machine without core scheduling.
  tryCall("prctl", PR_SCHED_CORE, PR_SCHED_CORE_GET, tid, PR_SCHED_CORE_SCOPE_THREAD, cookie);
  if (cookie.readBigUInt64LE(0) !== 0n) throw new UnsupportedError("core scheduling: not supported yet");
}

/** getpriority as the kernel has it: 20 minus the nice value, so that no result looks like an error. */
function niceOf(tid: number): number {
  return 20 - Number(callOnTask(tid, "getpriority", PRIO_PROCESS, tid));
}

/** The time slice, where it is not the one that every thread has; undefined otherwise. */
function customSlice(slice: bigint): bigint | undefined {
  return slice === 0n || slice === attributesOf(process.pid).sched_runtime ? undefined : slice;
}

/** What the kernel says of a thread that has set no I/O priority: it follows from policy and nice value. */
function derivedIoPriority(policy: number, nice: number): number {
  const level = Math.trunc((nice + 20) / 5);
  if (policy === SCHED_IDLE) return (IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT) | level;
  return ((isRealTime(policy) ? IOPRIO_CLASS_RT : IOPRIO_CLASS_BE) << IOPRIO_CLASS_SHIFT) | level;
}

function processorsOf(tid: number): Buffer {
  const mask = Buffer.alloc(MASK_SIZE);
  callOnTask(tid, "sched_getaffinity", tid, MASK_SIZE, mask);
  return mask.subarray(0, mask.findLastIndex((byte) => byte !== 0) + 1);
}

function countBits(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
}

function keep(thread: DumpThread, slack: bigint): void {
  const { core, tid } = thread;
  const { sched_policy, sched_flags, sched_priority, sched_runtime } = attributesOf(tid);
  const resets = (Number(sched_flags) & SCHED_FLAG_RESET_ON_FORK) !== 0;
  core.sched_policy = sched_policy | (resets ? SCHED_RESET_ON_FORK : 0);
  core.sched_nice = niceOf(tid);
  if (isRealTime(sched_policy)) core.sched_prio = sched_priority;
  else {
    const slice = customSlice(sched_runtime);
    if (slice !== undefined) thread.extension.time_slice_ns = slice;
    // One with a real-time policy has none.
    if (slack !== STANDARD_SLACK) thread.extension.timer_slack_ns = slack;
  }
  const priority = Number(callOnTask(tid, "ioprio_get", IOPRIO_WHO_PROCESS, tid));
  if (priority !== 0 && priority !== derivedIoPriority(sched_policy, core.sched_nice)) {
    thread.extension.io_priority = priority;
  }
  const processors = processorsOf(tid);
  if (countBits(processors) < processorCount()) thread.extension.processors = processors;
}

function setProcessors({ core, tid, task }: RestoreThread): void {
  const every = Buffer.alloc(MASK_SIZE, 0xff);
  const wanted = core.criu_wasm?.processors;
  if (wanted) {
    const set = tryCall("sched_setaffinity", tid, wanted.length, wanted);
    if (set === 0n && Buffer.compare(processorsOf(tid), wanted) === 0) return;
    task.context.warn(
      `pid ${task.pid}, tid ${tid}: not all of its processors are here, it runs on those that are`,
    );
    if (set === 0n) return;
  }
  callOnTask(tid, "sched_setaffinity", tid, every.length, every);
}

function giveBack(thread: RestoreThread): void {
  const { core, tid } = thread;
  const policy = core.sched_policy ?? 0;
  const nice = core.sched_nice ?? 0;
  callOnTask(tid, "setpriority", PRIO_PROCESS, tid, nice);
  const attributes = schedAttr.pack({
    size: schedAttr.size,
    sched_policy: policy & ~SCHED_RESET_ON_FORK,
    sched_flags: BigInt(policy & SCHED_RESET_ON_FORK ? SCHED_FLAG_RESET_ON_FORK : 0),
    sched_nice: nice,
    sched_priority: core.sched_prio ?? 0,
    sched_runtime: core.criu_wasm?.time_slice_ns ?? 0n,
  });
  callOnTask(tid, "sched_setattr", tid, attributes, 0);
  callOnTask(tid, "ioprio_set", IOPRIO_WHO_PROCESS, tid, core.criu_wasm?.io_priority ?? 0);
  writeFileSync(`/proc/${tid}/timerslack_ns`, `${core.criu_wasm?.timer_slack_ns ?? STANDARD_SLACK}`);
  setProcessors(thread);
}

export const scheduling: Kind = {
  name: "scheduling",

  dumpThread(thread, batch) {
    refuseUnsupported(thread.tid);
    const slack = batch.call("prctl", [PR_GET_TIMERSLACK]);
    return () => keep(thread, slack.ret!);
  },

  restoreThread: { registers: giveBack },
};
