/**
 * What the threads of a task share as its file system state: current directory, root directory, umask. The
 * root comes last, as paths in the images are those that the host sees. Nothing is lost.
 */
import type { Kind } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { onlyMessage } from "../../images/only-message.ts";
import { Batch } from "../../remote/batch.ts";
import { openRegistered, registerDirectory } from "./mapped.ts";

function fsEntry(task: RestoreTask) {
  return onlyMessage(task.context.reader, { kind: "FS", id: task.pid });
}

function isHostsRoot(task: RestoreTask, id: number): boolean {
  return Buffer.from(task.context.files.get(id)?.reg?.name ?? []).toString() === "/";
}

function enter(task: RestoreTask): void {
  const { cwd_id, root_id, umask } = fsEntry(task);
  const batch = new Batch();
  if (!isHostsRoot(task, root_id)) {
    const root = openRegistered(task, batch, root_id);
    batch.call("fchdir", [root]);
    batch.call("close", [root]);
  }
  const cwd = openRegistered(task, batch, cwd_id);
  if (!isHostsRoot(task, root_id)) batch.call("chroot", [batch.text(".")]);
  batch.call("fchdir", [cwd]);
  batch.call("close", [cwd]);
  if (umask !== undefined) batch.call("umask", [umask]);
  task.run(batch);
}

export const directories: Kind = {
  name: "directories",
  after: ["files"],

  dumpTask(task) {
    const message = {
      cwd_id: registerDirectory(task, "cwd"),
      root_id: registerDirectory(task, "root"),
      umask: task.proc.status().umask,
    };
    return () => task.images.append({ kind: "FS", id: task.pid }, { message });
  },

  restoreTask: { files: enter },
};
