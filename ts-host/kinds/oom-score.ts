/**
 * The OOM score adjustment, which the seed has from the restoring process. To go below what that ever had takes
 * CAP_SYS_RESOURCE. Lost: the least value that the task itself may go back to without it.
 */
import { writeFileSync } from "node:fs";
import type { Kind } from "../engine/kind.ts";

export const oomScore: Kind = {
  name: "oom-score",

  dumpTask(task) {
    const score = task.proc.oomScoreAdj();
    return () => {
      task.core.oom_score_adj = score;
    };
  },

  restoreTask: {
    process(task) {
      const score = task.core.oom_score_adj ?? 0;
      try {
        writeFileSync(`/proc/${task.pid}/oom_score_adj`, `${score}`);
      } catch (error) {
        const errno = (error as NodeJS.ErrnoException).code;
        task.concede(`the OOM score adjustment ${score} cannot be given back`, {
          op: `write(/proc/${task.pid}/oom_score_adj)`,
          errno,
        });
      }
    },
  },
};
