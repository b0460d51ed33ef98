/** Which kinds of memory a core dump of the process holds. Nothing is lost. */
import { writeFileSync } from "node:fs";
import type { Kind } from "../engine/kind.ts";
import { DEFAULTS } from "../generated/messages.ts";

const { coredump_filter: STANDARD } = DEFAULTS.criu_wasm_task;

export const coredumpFilter: Kind = {
  name: "coredump-filter",

  dumpTask(task) {
    const filter = task.proc.coredumpFilter();
    return () => {
      if (filter !== STANDARD) task.extension.coredump_filter = filter;
    };
  },

  restoreTask: {
    process(task) {
      const filter = task.core.criu_wasm?.coredump_filter ?? STANDARD;
      writeFileSync(`/proc/${task.pid}/coredump_filter`, `${filter}`);
    },
  },
};
