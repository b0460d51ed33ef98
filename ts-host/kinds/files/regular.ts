/** Regular files, directories and device nodes that are named by a path. */
import type { Stats } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import { UnsupportedError } from "../../errors.ts";
import { FdTypes, type FownEntry } from "../../generated/messages.ts";

export const NO_OWNER: FownEntry = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };

/** Registers a file that is reached by its path and has no descriptor: mapped, executed, a directory. */
export function registerPath(task: DumpTask, path: Buffer, stat: Stats, flags: number): number {
  if (stat.nlink === 0) {
    throw new UnsupportedError("an unlinked file that is mapped: not supported yet", {
      file: path.toString(),
    });
  }
  return task.files.once(`path ${stat.dev}:${stat.ino} ${flags}`, (id) => ({
    type: FdTypes.REG,
    id,
    reg: {
      id,
      flags,
      pos: 0n,
      fown: NO_OWNER,
      name: path,
      mode: stat.mode,
      ...(stat.isFile() ? { size: BigInt(stat.size) } : {}),
      build_id: [],
    },
  }));
}
