/** What a process has registered for with membarrier(): memory barriers on all its threads. Nothing is lost. */
import type { Kind } from "../engine/kind.ts";
import { MEMBARRIER_CMD_GET_REGISTRATIONS } from "../kernel/abi/membarrier.ts";

export const membarrier: Kind = {
  name: "membarrier",

  dumpTask(task, batch) {
    // Kernels before 6.3 do not tell.
    const registered = batch.call("membarrier", [MEMBARRIER_CMD_GET_REGISTRATIONS], { mayFail: true });
    return () => {
      if (registered.result > 0) task.core.membarrier_registration_mask = registered.result;
    };
  },

  restoreTask: {
    process(task, batch) {
      const mask = task.core.membarrier_registration_mask ?? 0;
      for (let bit = 0; bit < 32; bit++) {
        if ((mask >>> bit) & 1) batch.call("membarrier", [2 ** bit]);
      }
    },
  },
};
