/**
 * What the threads of a process share as a rule: memory, signal actions, descriptors, file system state. A thread
 * that has some of it for itself (unshare) would share it after a restore, so it is refused.
 */
import type { Kind } from "../engine/kind.ts";
import { UnsupportedError } from "../errors.ts";
import { KCMP_FILES, KCMP_FS } from "../kernel/abi/kcmp.ts";
import { callOnTask } from "../native/calls.ts";

/** Memory and signal actions are shared by whatever is a thread. */
const OBJECTS: [number, string][] = [
  [KCMP_FILES, "descriptors"],
  [KCMP_FS, "a root and current directory"],
];

export const sharedObjects: Kind = {
  name: "shared-object",

  dumpThread({ task, tid, isLeader }) {
    // Not in the rehearsal: a thread that is ending has nothing to share any more.
    if (isLeader || !task.frozen) return;
    for (const [object, what] of OBJECTS) {
      if (callOnTask(tid, "kcmp", task.pid, tid, object, 0, 0) === 0n) continue;
      throw new UnsupportedError(`this thread has ${what} of its own: not supported yet`, { tid });
    }
  },
};
