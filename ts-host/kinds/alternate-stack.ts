/**
 * The alternate signal stack of a thread. That a thread is on it just now is not an attribute of its own:
 * the kernel finds out by comparing addresses. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import { SS_ONSTACK, stackT } from "../kernel/abi/signal.ts";

export const alternateStack: Kind = {
  name: "alternate-stack",

  dumpThread(thread, batch) {
    const stack = batch.room(stackT.size);
    batch.call("sigaltstack", [0, stack]);
    return () => {
      const { ss_sp, ss_size, ss_flags } = stackT.read(stack.bytes);
      thread.core.sas = { ss_sp, ss_size, ss_flags: (ss_flags & ~SS_ONSTACK) >>> 0 };
    };
  },

  restoreThread: {
    thread({ core: { sas } }, batch) {
      if (!sas) return;
      const { ss_sp, ss_size, ss_flags } = sas;
      batch.call("sigaltstack", [batch.bytes(stackT.pack({ ss_sp, ss_size, ss_flags })), 0]);
    },
  },
};
