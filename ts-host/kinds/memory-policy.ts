/**
 * The NUMA memory policy of a thread: on which nodes its new pages are to be, where their mapping has no policy
 * of its own. On a machine without those nodes it goes without it, with a warning. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import { MPOL_DEFAULT } from "../kernel/abi/mempolicy.ts";
import { errnoName } from "../kernel/errno.ts";
import { askPolicy, policyArguments } from "./memory/policy.ts";

export const memoryPolicy: Kind = {
  name: "memory policy of a thread",

  dumpThread(thread, batch) {
    const answer = askPolicy(batch);
    return () => {
      const policy = answer();
      if (policy) thread.extension.memory_policy = policy;
    };
  },

  restoreThread: {
    thread({ core, tid, task }, batch) {
      const wanted = core.criu_wasm?.memory_policy;
      const policy = policyArguments(batch, wanted ?? { mode: MPOL_DEFAULT });
      const set = batch.call("set_mempolicy", policy, { mayFail: true });
      return () => {
        if (!set.failed || !wanted) return;
        const what = `tid ${tid} comes back without its memory policy`;
        task.context.warn(`pid ${task.pid}: ${what}: ${errnoName(-set.result)}`);
      };
    },
  },
};
