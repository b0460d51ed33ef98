/**
 * Namespaces. A task, and each of its threads, has to be in those of this program: a restored one would be in
 * them. One that is in another, or whose children would be, is refused by the name of the namespace.
 */
import type { Kind } from "../engine/kind.ts";
import { SystemCallError, UnsupportedError } from "../errors.ts";
import { ProcPid } from "../kernel/process.ts";

const NAMES = [
  "cgroup",
  "ipc",
  "mnt",
  "net",
  "pid",
  "pid_for_children",
  "time",
  "time_for_children",
  "user",
  "uts",
];

/** Inode of a namespace; 0 for the one of children-to-be that no child has made yet. */
function inodeOf(proc: ProcPid, name: string): number {
  try {
    return proc.namespace(name).inode;
  } catch (error) {
    if (error instanceof SystemCallError && error.context.errno === "ENOENT") return 0;
    throw error;
  }
}

let known: Map<string, number> | undefined;

/** Inodes of the namespaces of this program, which do not change; read before the freeze, in the rehearsal. */
function ours(): Map<string, number> {
  const self = new ProcPid(process.pid);
  known ??= new Map(NAMES.map((name) => [name, inodeOf(self, name)]));
  return known;
}

export const namespaces: Kind = {
  name: "namespace",

  dumpThread({ proc, tid, task }) {
    const other = NAMES.find((name) => {
      const inode = inodeOf(proc, name);
      // In the rehearsal, a thread that is ending has no namespaces any more.
      return inode !== ours().get(name) && (inode !== 0 || task.frozen !== undefined);
    });
    if (other === undefined) return;
    throw new UnsupportedError(`is in another ${other} namespace than this program: not supported yet`, {
      tid,
      hint: "run the dump in the same namespaces",
    });
  },
};
