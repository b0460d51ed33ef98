/** Seeds under ids that are given: what a task is restored from. */
import { HostMismatchError } from "../errors.ts";
import { now } from "../kernel/clock.ts";
import { ERRNO, errnoName } from "../kernel/errno.ts";
import { pause } from "../kernel/pause.ts";
import { ProcPid } from "../kernel/process.ts";
import { spawnSeed } from "../native/ffi.ts";
import { seizeSeed } from "../remote/seed.ts";
import type { Tracee } from "../remote/tracee.ts";
import { idTaken } from "./taken.ts";

/** How long the zombie of a dumped task may take until its parent has reaped it. */
const ZOMBIE_PATIENCE_MS = 5000;

/**
 * A stopped seed, made with CLONE_ flags. The pid is free, or becomes so when a zombie is reaped; else the user is
 * told who has it: `what` is the pid in words.
 */
export function spawnUnder(pid: number, what: string, flags = 0): Tracee {
  const deadline = now() + ZOMBIE_PATIENCE_MS;
  for (;;) {
    const spawned = spawnSeed(pid, BigInt(flags));
    if (spawned > 0) return seizeSeed(spawned);
    if (-spawned !== ERRNO.EEXIST) {
      throw new HostMismatchError("a process with this pid cannot be made", {
        pid,
        op: "clone3(set_tid)",
        errno: errnoName(-spawned),
        hint:
          -spawned === ERRNO.EPERM
            ? "run as root, or with CAP_CHECKPOINT_RESTORE and CAP_SYS_PTRACE"
            : undefined,
      });
    }
    if (now() > deadline || !isZombie(pid)) throw idTaken(what, pid);
    pause(5);
  }
}

function isZombie(pid: number): boolean {
  try {
    return new ProcPid(pid).stat().state === "Z";
  } catch {
    return true; // gone meanwhile, or an id of a thread or group that /proc does not list
  }
}
