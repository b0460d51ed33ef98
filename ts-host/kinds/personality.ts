/**
 * The personality: the execution domain and its flags (no randomised addresses, READ_IMPLIES_EXEC and the
 * like), which mmap and exec heed. It is set after the memory is mapped, which must not be changed by it.
 * Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";

export const personality: Kind = {
  name: "personality",

  dumpTask(task) {
    const flags = task.proc.personality();
    return () => {
      task.core.personality = flags;
    };
  },

  restoreTask: {
    process(task, batch) {
      batch.call("personality", [task.core.personality]);
    },
  },
};
