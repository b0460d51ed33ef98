/**
 * Whether the process dumps core and who may trace it: 1 its owner, 0 root, 2 root, and core dumps go to root.
 * A change of credentials resets it to what /proc/sys/fs/suid_dumpable says, and nothing else gives a process 2;
 * where the system's setting has changed meanwhile, 0 takes its place, with a warning.
 */
import type { Kind } from "../engine/kind.ts";
import { PR_GET_DUMPABLE, PR_SET_DUMPABLE } from "../kernel/abi/prctl.ts";
import { Batch } from "../remote/batch.ts";

const BY_ROOT = 2;

export const dumpable: Kind = {
  name: "dumpable",

  dumpTask(task, batch) {
    const value = batch.call("prctl", [PR_GET_DUMPABLE]);
    return () => {
      task.mm.dumpable = value.result;
    };
  },

  restoreTask: {
    arm(task, batch) {
      const wanted = task.mm.dumpable ?? 1;
      if (wanted !== BY_ROOT) {
        batch.call("prctl", [PR_SET_DUMPABLE, wanted]);
        return;
      }
      const now = batch.call("prctl", [PR_GET_DUMPABLE]);
      return () => {
        if (now.result === BY_ROOT) return;
        const reset = new Batch();
        reset.call("prctl", [PR_SET_DUMPABLE, 0]);
        task.run(reset);
        task.context.warn(`pid ${task.pid}: "dumpable" is 0 instead of 2, as fs.suid_dumpable has changed`);
      };
    },
  },
};
