/** Tries things on a process of its own, the seed, which is ended afterwards. */

import { SystemCallError } from "../errors.ts";
import { __WALL } from "../kernel/abi/wait.ts";
import { errnoName } from "../kernel/errno.ts";
import { ProcPid } from "../kernel/process.ts";
import { findHole } from "../kinds/memory/holes.ts";
import { tryCall } from "../native/calls.ts";
import { spawnSeed } from "../native/ffi.ts";
import { ARENA_SIZE, Arena } from "../remote/arena.ts";
import type { Batch } from "../remote/batch.ts";
import { BlobRemote } from "../remote/blob.ts";
import { seizeSeed } from "../remote/seed.ts";
import { StepRemote } from "../remote/step.ts";
import type { Tracee } from "../remote/tracee.ts";
import { findSyscallInstruction } from "../remote/vdso.ts";

/** Runs `body` with a stopped seed. */
export function withSeed<T>(body: (seed: Tracee) => T): T {
  const pid = spawnSeed(0);
  if (pid < 0) throw new SystemCallError("no process can be made", { op: "clone3", errno: errnoName(-pid) });
  const seed = seizeSeed(pid);
  try {
    return body(seed);
  } finally {
    endSeed(pid);
  }
}

/** Ends a seed and takes notice of it. */
export function endSeed(pid: number): void {
  process.kill(pid, "SIGKILL");
  tryCall("wait4", pid, 0, __WALL, 0);
}

/** Makes calls in a seed. */
export function runInSeed(seed: Tracee, batch: Batch): void {
  const address = findHole(new ProcPid(seed.tid).maps(), BigInt(ARENA_SIZE));
  const arena = Arena.map(new StepRemote(seed, findSyscallInstruction(seed.tid)), address);
  new BlobRemote(seed, arena).run(batch);
}
