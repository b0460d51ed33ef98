/** Images of signals that cannot be right are refused before anything is restored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoreTask } from "../../../ts-host/engine/restore-task.ts";
import { describe, ImageError, UnsupportedError } from "../../../ts-host/errors.ts";
import type { SaEntry, SignalQueueEntry, TaskCoreEntry } from "../../../ts-host/generated/messages.ts";
import { pendingSignals } from "../../../ts-host/kinds/pending-signals.ts";
import { signalActions } from "../../../ts-host/kinds/signal-actions.ts";
import { stopped } from "../../../ts-host/kinds/stopped.ts";
import { Batch } from "../../../ts-host/remote/batch.ts";

const ACTION: SaEntry = { sigaction: 0n, flags: 0n, restorer: 0n, mask: 0n };

function check(kind: typeof stopped, core: Partial<TaskCoreEntry>, ofThread?: SignalQueueEntry): void {
  const threads = [{ tid: 7, core: { signals_p: ofThread } }];
  kind.restoreTask!.check!({ pid: 7, core, threads } as unknown as RestoreTask, new Batch());
}

function refusal(type: typeof ImageError, message: string) {
  return (error: unknown) => {
    assert.ok(error instanceof type);
    assert.equal(describe(error), message);
    return true;
  };
}

test("signal actions are as many as there are signals that can have one, and of 64-bit programs", () => {
  const actions = Array.from({ length: 62 }, () => ({ ...ACTION }));
  check(signalActions, { sigactions: actions });
  assert.throws(
    () => check(signalActions, { sigactions: actions.slice(1) }),
    refusal(ImageError, "core-7.img, field tc.sigactions: 61 signal actions, not 62"),
  );
  actions[3]!.compat_sigaction = true;
  assert.throws(() => check(signalActions, { sigactions: actions }), UnsupportedError);
});

test("a siginfo has the size that the kernel's has", () => {
  const queueOf = (size: number): SignalQueueEntry => ({ signals: [{ siginfo: new Uint8Array(size) }] });
  check(pendingSignals, { signals_s: queueOf(128) }, queueOf(128));
  check(pendingSignals, {});
  assert.throws(
    () => check(pendingSignals, { signals_s: queueOf(127) }),
    refusal(ImageError, "core-7.img, field tc.signals_s: a siginfo of 127 bytes, not 128"),
  );
  assert.throws(
    () => check(pendingSignals, {}, queueOf(0)),
    refusal(ImageError, "core-7.img, field thread_core.signals_p: a siginfo of 0 bytes, not 128"),
  );
});

test("a task that had ended is not restored as a running one", () => {
  check(stopped, { task_state: 1 });
  check(stopped, { task_state: 3 });
  assert.throws(() => check(stopped, { task_state: 6 }), UnsupportedError);
});
