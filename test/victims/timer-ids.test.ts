/** Ids of POSIX timers on kernels that give them in turn, as all did before Linux 6.15. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoreTask } from "../../ts-host/engine/restore-task.ts";
import { HostMismatchError } from "../../ts-host/errors.ts";
import type { PosixTimerEntry } from "../../ts-host/generated/messages.ts";
import { SIGEV_SIGNAL, SIGUSR1 } from "../../ts-host/kernel/abi/signal.ts";
import { CLOCK_MONOTONIC } from "../../ts-host/kernel/abi/time.ts";
import { ProcPid } from "../../ts-host/kernel/process.ts";
import { createInTurn } from "../../ts-host/kinds/posix-timers.ts";
import { FrozenProcess } from "../../ts-host/remote/frozen.ts";
import { startVictim } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

function timer(id: number): PosixTimerEntry {
  return {
    it_id: id,
    clock_id: CLOCK_MONOTONIC,
    si_signo: SIGUSR1,
    it_sigev_notify: SIGEV_SIGNAL,
    sival_ptr: BigInt(id) * 3n,
    overrun: 0,
    isec: 0n,
    insec: 0n,
    vsec: 0n,
    vnsec: 0n,
  };
}

test("timers get their ids when these are given in turn", async (t) => {
  const victim = await startVictim(t, victims.find(({ name }) => name === "counter")!);
  if (!victim) return;
  const { pid } = victim;
  const frozen = FrozenProcess.freeze(pid, { timeoutUs: 10_000_000 });
  try {
    const remote = frozen.remote(pid);
    const leader = { tid: pid, remote };
    // A process that has no timers yet serves as well as one that is being restored.
    const task = { leader, threads: [leader], run: remote.run.bind(remote) } as unknown as RestoreTask;
    assert.throws(() => createInTurn(task, [timer(5_000_000)]), HostMismatchError);
    createInTurn(task, [timer(0), timer(3), timer(4), timer(5000)]);
    const made = new ProcPid(pid).timers().map(({ id, value }) => [id, value]);
    assert.deepEqual(made.reverse(), [
      [0, 0n],
      [3, 9n],
      [4, 12n],
      [5000, 15000n],
    ]);
  } finally {
    frozen.release();
  }
});
