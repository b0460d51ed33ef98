/**
 * What cannot be frozen, or has nothing to be dumped, is refused by name before it is touched. /proc tells
 * from outside; what it tells may have changed by the time of the freeze, so that asks again.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { SystemCallError, TargetGoneError, UnsupportedError } from "../errors.ts";
import { PF_IO_WORKER, PF_KTHREAD, PF_USER_WORKER } from "../kernel/proc/stat.ts";
import { ProcPid } from "../kernel/process.ts";

const EI_CLASS = 4;
const ELFCLASS32 = 1;

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

/** Refuses one thread, the leader among them. */
export function refuseUnstoppableThread(thread: ProcPid): void {
  const { pid, tid } = thread;
  const { flags, state, numThreads } = thread.stat();
  const isLeader = tid === pid;
  if (isLeader && (state === "Z" || state === "X")) {
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
  const head = Buffer.alloc(EI_CLASS + 1);
  const fd = openExecutable(pid);
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (head[EI_CLASS] === ELFCLASS32)
    throw new UnsupportedError("a 32-bit program: not supported yet", { pid });
}

function openExecutable(pid: number): number {
  const op = `open(/proc/${pid}/exe)`;
  try {
    return openSync(`/proc/${pid}/exe`, "r");
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    throw new SystemCallError("cannot read the program that it runs", { pid, op, errno }, error);
  }
}
