/**
 * Signal actions: handler, flags, restorer and mask of every signal whose action can be changed. They come
 * back before the pending signals: to ignore a signal throws away what is pending of it. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import { ImageError, UnsupportedError } from "../errors.ts";
import type { SaEntry, TaskCoreEntry } from "../generated/messages.ts";
import { SIGKILL, SIGNAL_MASK_SIZE, SIGRTMAX, SIGSTOP, sigaction } from "../kernel/abi/signal.ts";

/** Signals in the order of the image: all but SIGKILL and SIGSTOP, whose action is fixed. */
const SIGNALS = Array.from({ length: SIGRTMAX }, (_, index) => index + 1).filter(
  (signal) => signal !== SIGKILL && signal !== SIGSTOP,
);

/** The action of a signal as the image holds it; SIGKILL and SIGSTOP have none. */
export function actionOf(core: Partial<TaskCoreEntry>, signal: number): SaEntry | undefined {
  return core.sigactions?.[SIGNALS.indexOf(signal)];
}

export const signalActions: Kind = {
  name: "signal-action",

  dumpTask(task, batch) {
    const actions = SIGNALS.map((signal) => {
      const action = batch.room(sigaction.size);
      batch.call("rt_sigaction", [signal, 0, action, SIGNAL_MASK_SIZE]);
      return action;
    });
    return () => {
      task.core.sigactions = actions.map(({ bytes }) => {
        const { sa_handler, sa_flags, sa_restorer, sa_mask } = sigaction.read(bytes);
        return {
          sigaction: sa_handler,
          flags: sa_flags,
          restorer: sa_restorer,
          mask: sa_mask,
          compat_sigaction: false,
        };
      });
    };
  },

  restoreTask: {
    check({ pid, core: { sigactions } }) {
      const place = { file: `core-${pid}.img`, field: "tc.sigactions" };
      if (sigactions.length !== SIGNALS.length)
        throw new ImageError(`${sigactions.length} signal actions, not ${SIGNALS.length}`, place);
      if (sigactions.some((action) => action.compat_sigaction))
        throw new UnsupportedError("signal actions of a 32-bit program: not supported yet", place);
    },
    arm(task, batch) {
      task.core.sigactions.forEach((action, index) => {
        const signal = SIGNALS[index]!;
        const content = sigaction.pack({
          sa_handler: action.sigaction,
          sa_flags: action.flags,
          sa_restorer: action.restorer,
          sa_mask: action.mask,
        });
        batch.call("rt_sigaction", [signal, batch.bytes(content), 0, SIGNAL_MASK_SIZE]);
      });
    },
  },
};
