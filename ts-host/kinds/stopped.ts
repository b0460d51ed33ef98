/**
 * Whether the process stands still for job control (SIGSTOP, Ctrl-Z), and for which signal. One that has
 * been told to stop, and would have when it is let go, counts as stopped.
 * Lost: that its parent has been told already; whoever waits for the restored process is told again.
 */
import type { Kind } from "../engine/kind.ts";
import { UnsupportedError } from "../errors.ts";
import { SIGSTOP } from "../kernel/abi/signal.ts";

/** Values of task_state. */
const TASK_ALIVE = 1;
const TASK_STOPPED = 3;

export const stopped: Kind = {
  name: "stopped",

  dumpTask(task) {
    return () => {
      const signal = task.frozen?.stopSignal;
      task.core.task_state = signal === undefined ? TASK_ALIVE : TASK_STOPPED;
      task.core.stop_signo = signal;
    };
  },

  restoreTask: {
    check({ core: { task_state } }) {
      if (task_state !== TASK_ALIVE && task_state !== TASK_STOPPED)
        throw new UnsupportedError("had ended when it was dumped: zombies are not supported yet");
    },
    // Takes effect when the task is let go.
    registers({ pid, core }) {
      if (core.task_state === TASK_STOPPED) process.kill(pid, SIGSTOP);
    },
  },
};
