/**
 * Session and process group. A task that leads its session gets both back; a job of a shell (--shell-job)
 * joins the session that restore is run in, and leads a group there if it led one. So does, for a shell job, the
 * leader of a session that has a terminal: the terminal that it gets belongs to the session of the restore.
 */
import type { Kind } from "../engine/kind.ts";
import { UnsupportedError } from "../errors.ts";
import { hadTerminal } from "./files/terminal.ts";

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
    check(task) {
      if (task.pstree.sid === task.pid || task.options.shellJob) return;
      throw new UnsupportedError("it was a job of a shell: its session is not in the images", {
        hint: "use --shell-job (-j)",
      });
    },
    session(task, batch) {
      const { sid, pgid } = task.pstree;
      if (sid === task.pid && !(task.options.shellJob && hadTerminal(task))) batch.call("setsid");
      else if (pgid === task.pid) batch.call("setpgid", [0, 0]);
    },
  },
};
