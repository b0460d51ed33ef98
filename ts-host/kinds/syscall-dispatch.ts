/**
 * Syscall user dispatch: system calls of a thread that raise SIGSYS instead, where a byte in its memory says so.
 * It is off while calls are made in the thread, and comes back when no more are to be made. Nothing is lost.
 */
import type { Kind } from "../engine/kind.ts";
import { PR_SYS_DISPATCH_ON } from "../kernel/abi/prctl.ts";
import { syscallUserDispatchConfig } from "../kernel/abi/ptrace.ts";

export const syscallDispatch: Kind = {
  name: "syscall-dispatch",

  dumpThread(thread) {
    return () => {
      const config = thread.tracee.userDispatch;
      if (!config) return;
      const { selector, offset, len } = syscallUserDispatchConfig.read(config);
      thread.extension.syscall_dispatch = { selector, offset, length: len };
    };
  },

  restoreThread: {
    registers({ core, tracee }) {
      const dispatch = core.criu_wasm?.syscall_dispatch;
      if (!dispatch) return;
      const { selector, offset, length } = dispatch;
      const mode = BigInt(PR_SYS_DISPATCH_ON);
      tracee.setUserDispatch(syscallUserDispatchConfig.pack({ mode, selector, offset, len: length }));
    },
  },
};
