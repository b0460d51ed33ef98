/** Signals that come while a process is frozen, or while calls are made in it, arrive once, and afterwards. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { test } from "node:test";
import { TargetGoneError } from "../../ts-host/errors.ts";
import { Batch } from "../../ts-host/remote/batch.ts";
import { BACK_ENDS, type StoppedVictim, stoppedVictim } from "../support/remote.ts";
import { taskState, waitFor } from "../support/victim.ts";

const { SIGCHLD, SIGCONT, SIGIO, SIGTRAP, SIGURG, SIGUSR1, SIGUSR2, SIGWINCH } = constants.signals;
const HANDLED = [SIGURG, SIGWINCH, SIGCHLD, SIGTRAP, SIGIO, SIGUSR1];

/** Calls that take about a second together. */
function longBatch(): Batch {
  const batch = new Batch();
  const room = batch.room(65536);
  for (let call = 0; call < 5000; call++) batch.call("getrandom", [room, 65536, 0]);
  return batch;
}

/** From another process: this one waits in its call of the shim meanwhile. */
function sendSoon(pid: number, signals: readonly number[]): void {
  const kills = signals.map((signal) => `kill -${signal} ${pid}`);
  spawn("sh", ["-c", ["sleep 0.2", ...kills].join("; ")], { stdio: "ignore" });
}

function received(stopped: StoppedVictim): Map<number, number> {
  const lines = stopped.victim.output().matchAll(/^(?:got|pending) (\d+): (\d+)$/gm);
  return new Map([...lines].map((match) => [Number(match[1]), Number(match[2])]));
}

for (const backEnd of BACK_ENDS) {
  for (const when of ["before", "during"] as const) {
    test(`${backEnd}: signals that come ${when} a batch`, async (t) => {
      const stopped = await stoppedVictim(t, "signals-counted");
      if (!stopped) return;
      const { pid } = stopped.victim;
      const signals = [...HANDLED, SIGUSR2];
      if (when === "before") for (const signal of signals) process.kill(pid, signal);
      else sendSoon(pid, signals);
      stopped.remote(backEnd).run(longBatch());
      // Once more: those of before pend now.
      stopped.remote(backEnd).run(longBatch());
      stopped.release();
      stopped.victim.go();
      await stopped.victim.expectPass();
      const expected = signals.map((signal) => [signal, 1] as const);
      assert.deepEqual(received(stopped), new Map([...expected, [SIGCONT, 0]]));
    });
  }

  test(`${backEnd}: SIGSTOP during a batch stops it afterwards, until SIGCONT`, async (t) => {
    const stopped = await stoppedVictim(t, "signals-counted");
    if (!stopped) return;
    const { victim } = stopped;
    sendSoon(victim.pid, [constants.signals.SIGSTOP]);
    stopped.remote(backEnd).run(longBatch());
    stopped.release();
    await waitFor(
      () => `its state is ${taskState(victim.pid)}`,
      () => taskState(victim.pid) === "T",
    );
    process.kill(victim.pid, SIGCONT);
    victim.go();
    await victim.expectPass();
    assert.equal(received(stopped).get(SIGCONT), 1);
  });

  test(`${backEnd}: SIGSTOP and SIGCONT during a batch`, async (t) => {
    const stopped = await stoppedVictim(t, "signals-counted");
    if (!stopped) return;
    sendSoon(stopped.victim.pid, [constants.signals.SIGSTOP, SIGCONT]);
    stopped.remote(backEnd).run(longBatch());
    stopped.release();
    stopped.victim.go();
    await stopped.victim.expectPass();
    assert.equal(received(stopped).get(SIGCONT), 1);
  });

  test(`${backEnd}: SIGKILL during a batch is a result, not a crash`, async (t) => {
    const stopped = await stoppedVictim(t, "signals-counted");
    if (!stopped) return;
    sendSoon(stopped.victim.pid, [constants.signals.SIGKILL]);
    assert.throws(
      () => stopped.remote(backEnd).run(longBatch()),
      (error) => error instanceof TargetGoneError && error.context.tid === stopped.victim.pid,
    );
    await stopped.victim.waitGone();
  });
}
