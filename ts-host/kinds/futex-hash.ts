/**
 * The size of the process's own table of futexes, which it may choose (PR_FUTEX_HASH, Linux 6.16; 0: it uses
 * the table that all share). Where it did not, the kernel makes one when the second thread is made. The size
 * that is written is what the kernel would not have chosen; before there are threads, as it takes effect at once.
 */
import type { Kind } from "../engine/kind.ts";
import { HostMismatchError } from "../errors.ts";
import { PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, PR_FUTEX_HASH_SET_SLOTS } from "../kernel/abi/prctl.ts";
import { processorCount } from "../kernel/system.ts";

const LEAST_SLOTS = 16;

/** What the kernel chooses: four slots a thread, for as many threads as can run, rounded up to a power of two. */
function chosenByKernel(threads: number): number {
  if (threads === 1) return 0;
  const slots = 4 * Math.min(threads, processorCount());
  return Math.max(LEAST_SLOTS, 2 ** Math.ceil(Math.log2(slots)));
}

export const futexHash: Kind = {
  name: "futex-hash",

  dumpTask(task, batch) {
    const slots = batch.call("prctl", [PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS], { mayFail: true });
    return () => {
      if (slots.failed || slots.result === chosenByKernel(task.threads.length)) return;
      task.extension.futex_hash_slots = slots.result;
    };
  },

  restoreTask: {
    process(task, batch) {
      const slots = task.core.criu_wasm?.futex_hash_slots;
      if (slots === undefined) return;
      const set = batch.call("prctl", [PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, slots], { mayFail: true });
      return () => {
        if (set.failed) throw new HostMismatchError(`this kernel gives no futex hash of ${slots} slots`);
      };
    },
  },
};
