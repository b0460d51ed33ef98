/**
 * Files of /proc that belong to a process that has ended. Nothing can be read from them any more, but they are held,
 * and there is no other way to such a file than through a living process. At restore a process is made under that
 * pid, which does nothing; the file is opened; and the process is ended again.
 */
import { statfsSync } from "node:fs";
import type { RestoreContext } from "../../engine/restore-task.ts";
import { spawnUnder } from "../../engine/spawn.ts";
import { UnsupportedError } from "../../errors.ts";
import { PROC_SUPER_MAGIC } from "../../kernel/abi/magic.ts";
import type { HeldFile } from "./file-kind.ts";

/** The process that has a file of this name; undefined for other names. */
export function processOf(name: Buffer): number | undefined {
  const [, pid, thread] = /^\/proc\/(\d+)(\/task\/)?/.exec(name.toString("latin1")) ?? [];
  return pid === undefined || thread !== undefined ? undefined : Number(pid);
}

/** The pid of the process that `name` belonged to; undefined when the file is not one of an ended process. */
export function endedProcess({ source, fd }: HeldFile, name: Buffer): number | undefined {
  if (statfsSync(source).type !== PROC_SUPER_MAGIC) return undefined;
  const pid = processOf(name);
  if (pid !== undefined) return pid;
  throw new UnsupportedError("a file of /proc that is there no more: not supported yet", {
    fd,
    file: name.toString(),
  });
}

/** Makes the process, which ends when the restore does. */
export function makeProcess(context: RestoreContext, pid: number): void {
  const tracee = spawnUnder(pid, `pid ${pid} of an ended process, of which it holds a file,`);
  context.aftermath.add(() => {
    process.kill(pid, "SIGKILL");
    tracee.reap();
  });
}
