/**
 * Session and process group. A task that leads its session gets both back; a job of a shell (--shell-job)
 * joins the session that restore is run in, and leads a group there if it led one.
 */
import type { Kind } from "../engine/kind.ts";
import { UnsupportedError } from "../errors.ts";

export const session: Kind = {
  name: "session",

  dumpTask(task) {
    const { sid, pgid } = task.proc.stat();
    if (task.options.shellJob) return;
    if (sid !== task.pid) {
      throw new UnsupportedError(`its session is led by pid ${sid}, which is not dumped`, {
        hint: "use --shell-job (-j), or start it with setsid",
      });
    }
    if (pgid !== task.pid) {
      throw new UnsupportedError(`its process group is led by pid ${pgid}, which is not dumped`, {
        hint: "use --shell-job (-j)",
      });
    }
  },

  restoreTask: {
    session(task, batch) {
      const { sid, pgid } = task.pstree;
      if (sid === task.pid) batch.call("setsid");
      else if (pgid === task.pid) batch.call("setpgid", [0, 0]);
    },
  },
};
