/**
 * Whether the process may have transparent huge pages at all (PR_SET_THP_DISABLE); and then, from Linux 6.18,
 * whether it may where it asked for them by madvise, which CRIU's images have no field for. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import {
  PR_GET_THP_DISABLE,
  PR_SET_THP_DISABLE,
  PR_THP_DISABLE_EXCEPT_ADVISED,
} from "../kernel/abi/prctl.ts";

export const hugePages: Kind = {
  name: "huge-pages",

  dumpTask(task, batch) {
    const disabled = batch.call("prctl", [PR_GET_THP_DISABLE]);
    return () => {
      task.mm.thp_disabled = disabled.result !== 0;
      if (disabled.result & PR_THP_DISABLE_EXCEPT_ADVISED) task.extension.huge_pages_if_advised = true;
    };
  },

  restoreTask: {
    // After memory has its content, which it gets without them or with them as the kernel likes.
    process(task, batch) {
      const exceptAdvised = task.core.criu_wasm?.huge_pages_if_advised ? PR_THP_DISABLE_EXCEPT_ADVISED : 0;
      if (task.mm.thp_disabled) batch.call("prctl", [PR_SET_THP_DISABLE, 1, exceptAdvised]);
      else batch.call("prctl", [PR_SET_THP_DISABLE, 0]);
    },
  },
};
