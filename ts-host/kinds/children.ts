/** Children of a task, ended ones too: whole trees cannot be dumped yet, so a task that has any is refused. */
import type { Kind } from "../engine/kind.ts";
import { UnsupportedError } from "../errors.ts";

export const children: Kind = {
  name: "child",

  dumpThread({ proc }) {
    const [child] = proc.children();
    if (child === undefined) return;
    throw new UnsupportedError(`has a child process, pid ${child}: trees of processes are not supported yet`);
  },
};
