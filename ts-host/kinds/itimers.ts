/**
 * The three interval timers: time left and interval. The CPU clocks that two of them run on begin anew, so
 * all count on from what was left. A timer that is due while its SIGALRM is pending starts again when that is
 * taken: the kernel then shows an interval and nothing left. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import type { ItimerEntry } from "../generated/messages.ts";
import { ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, itimerval } from "../kernel/abi/time.ts";
import type { Batch, Data } from "../remote/batch.ts";

function ask(batch: Batch, which: number): Data {
  const timer = batch.room(itimerval.size);
  batch.call("getitimer", [which, timer]);
  return timer;
}

function toImage({ bytes }: Data): ItimerEntry {
  const { it_interval, it_value } = itimerval.read(bytes);
  return {
    isec: it_interval.tv_sec,
    iusec: it_interval.tv_usec,
    vsec: it_value.tv_sec,
    vusec: it_value.tv_usec,
  };
}

function arm(batch: Batch, which: number, { isec, iusec, vsec, vusec }: ItimerEntry): void {
  const isDue = vsec === 0n && vusec === 0n && (isec !== 0n || iusec !== 0n);
  const content = itimerval.pack({
    it_interval: { tv_sec: isec, tv_usec: iusec },
    it_value: { tv_sec: vsec, tv_usec: isDue ? 1n : vusec },
  });
  batch.call("setitimer", [which, batch.bytes(content), 0]);
}

export const itimers: Kind = {
  name: "itimer",

  dumpTask(task, batch) {
    const real = ask(batch, ITIMER_REAL);
    const virt = ask(batch, ITIMER_VIRTUAL);
    const prof = ask(batch, ITIMER_PROF);
    return () => {
      task.core.timers = { real: toImage(real), virt: toImage(virt), prof: toImage(prof), posix: [] };
    };
  },

  restoreTask: {
    arm({ core: { timers } }, batch) {
      if (!timers) return;
      arm(batch, ITIMER_REAL, timers.real);
      arm(batch, ITIMER_VIRTUAL, timers.virt);
      arm(batch, ITIMER_PROF, timers.prof);
    },
  },
};
