/**
 * Names of anonymous memory (PR_SET_VMA_ANON_NAME), which /proc shows. On a kernel that knows none, memory
 * comes back without them, with a warning. Nothing is lost.
 */
import type { Kind } from "../../engine/kind.ts";
import { PR_SET_VMA, PR_SET_VMA_ANON_NAME } from "../../kernel/abi/prctl.ts";
import { errnoName } from "../../kernel/errno.ts";

export const memoryNames: Kind = {
  name: "name of memory",
  after: ["memory"],

  restoreTask: {
    memory(task) {
      const named = task.mm.vmas.filter((vma) => vma.criu_wasm?.name);
      task.inBatches(named, ({ start, end, criu_wasm }, batch) => {
        const name = batch.text(criu_wasm!.name!);
        const args = [PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, end - start, name];
        const set = batch.call("prctl", args, { mayFail: true });
        return () => {
          if (!set.failed) return;
          const what = `memory at 0x${start.toString(16)} comes back without its name`;
          task.context.warn(`pid ${task.pid}: ${what}: ${errnoName(-set.result)}`);
        };
      });
    },
  },
};
