/**
 * The audit login uid, which is the user of a session whatever ids its processes take on. Only the task itself
 * may write its own, through a /proc that is out of reach once it has its root directory; so it is done at
 * first. Lost: the number of the audit session, which the kernel gives.
 */
import type { Kind } from "../engine/kind.ts";
import type { RestoreTask } from "../engine/restore-task.ts";
import { AT_FDCWD, O_WRONLY } from "../kernel/abi/fcntl.ts";
import { errnoName } from "../kernel/errno.ts";
import { ProcPid } from "../kernel/process.ts";
import { Batch } from "../remote/batch.ts";

const FILE = "/proc/self/loginuid";

function setLoginuid(task: RestoreTask, loginuid: number): void {
  const batch = new Batch();
  const text = batch.text(`${loginuid}`);
  const fd = batch.call("openat", [AT_FDCWD, batch.text(FILE), O_WRONLY]);
  const written = batch.call("write", [fd, text, `${loginuid}`.length], { mayFail: true });
  batch.call("close", [fd]);
  task.run(batch);
  if (!written.failed) return;
  task.concede(`the login uid ${loginuid} cannot be given back: CAP_AUDIT_CONTROL is needed`, {
    op: `write(${FILE})`,
    errno: errnoName(-written.result),
  });
}

export const loginuid: Kind = {
  name: "loginuid",

  dumpTask(task) {
    const loginuid = task.proc.loginuid();
    return () => {
      task.core.loginuid = loginuid;
    };
  },

  restoreTask: {
    session(task) {
      const wanted = task.core.loginuid;
      const has = new ProcPid(task.pid).loginuid();
      // Either kernel may be without audit: then there is nothing to compare.
      if (wanted !== undefined && has !== undefined && wanted !== has) setLoginuid(task, wanted);
    },
  },
};
