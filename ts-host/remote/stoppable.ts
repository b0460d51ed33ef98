/**
 * What cannot be frozen, or has nothing to be dumped, is refused by name before it is touched. /proc tells
 * from outside; what it tells may have changed by the time of the freeze, so that asks again.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { TargetGoneError, UnsupportedError } from "../errors.ts";
import { pause } from "../kernel/pause.ts";
import { PF_IO_WORKER, PF_KTHREAD, PF_USER_WORKER } from "../kernel/proc/stat.ts";
import { ProcPid } from "../kernel/process.ts";

const EI_CLASS = 4;
const ELFCLASS32 = 1;
/** How often, and how far apart, a leader is looked at before it counts as a zombie. */
const LOOKS = 5;
const PAUSE_MS = 4;

/** Refuses a process that cannot be frozen. */
export function refuseUnstoppable(pid: number): void {
  if (pid === process.pid) throw new UnsupportedError("is this very program", { pid });
  const leader = new ProcPid(pid);
  if (!leader.exists()) throw new TargetGoneError("there is no process with this id", { pid });
  const { tgid } = leader.status();
  if (tgid !== pid) {
    throw new UnsupportedError("is a thread, not a process", { pid, hint: `its process is ${tgid}` });
  }
  if (leader.stat().flags & PF_KTHREAD) throw new UnsupportedError("is a kernel thread", { pid });
  for (const tid of leader.threads()) refuseUnlessGone(leader.thread(tid));
  refuse32Bit(pid);
}

function refuseUnlessGone(thread: ProcPid): void {
  try {
    refuseUnstoppableThread(thread);
  } catch (error) {
    if (!(error instanceof TargetGoneError) || thread.tid === thread.pid) throw error;
  }
}

/** The leader is a zombie for a moment, too, while another thread executes a program and becomes the leader. */
function hasEnded(thread: ProcPid): boolean {
  for (let look = 0; look < LOOKS; look++) {
    if (look > 0) pause(PAUSE_MS);
    if (!/[ZX]/.test(thread.stat().state)) return false;
  }
  return true;
}

/** Refuses one thread, the leader among them. */
export function refuseUnstoppableThread(thread: ProcPid): void {
  const { pid, tid } = thread;
  const { flags, numThreads } = thread.stat();
  if (tid === pid && hasEnded(thread)) {
    throw numThreads > 1
      ? new UnsupportedError("its main thread has ended: not supported yet", { pid })
      : new UnsupportedError("is a zombie: it has ended", { pid });
  }
  if (flags & (PF_IO_WORKER | PF_USER_WORKER)) {
    throw new UnsupportedError(
      `the kernel runs a thread for it, ${thread.comm().toString()} (io_uring): not supported yet`,
      { pid, tid },
    );
  }
  const { tracerPid } = thread.status();
  if (tracerPid !== 0 && tracerPid !== process.pid) {
    throw new UnsupportedError(`is traced by pid ${tracerPid} already`, {
      pid,
      tid,
      hint: "detach the debugger first",
    });
  }
}

function refuse32Bit(pid: number): void {
  if (readElfClass(pid) === ELFCLASS32) {
    throw new UnsupportedError("a 32-bit program: not supported yet", { pid });
  }
}

/** undefined when there is no program to be read, as in the middle of an exec. */
function readElfClass(pid: number): number | undefined {
  const head = Buffer.alloc(EI_CLASS + 1);
  try {
    const fd = openSync(`/proc/${pid}/exe`, "r");
    try {
      readSync(fd, head, 0, head.length, 0);
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
  return head[EI_CLASS];
}
