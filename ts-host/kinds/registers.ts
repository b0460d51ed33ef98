/**
 * Registers: general purpose, FPU and vector state, signal mask, and the call that a thread was interrupted
 * in. They are put in by ptrace at the very end, when no call is to be made any more.
 */
import type { Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import { UnsupportedError } from "../errors.ts";
import { type UserX86RegsEntry, UserX86RegsMode } from "../generated/messages.ts";
import { fpregsToXsave, xsaveToFpregs } from "../kernel/abi/xsave.ts";
import { ERRNO } from "../kernel/errno.ts";
import { type RegisterName, Registers, settleSystemCall } from "../remote/registers.ts";

/** Registers by their name in the image and in the kernel. */
const NAMES: [keyof UserX86RegsEntry, RegisterName][] = [
  ["r15", "r15"],
  ["r14", "r14"],
  ["r13", "r13"],
  ["r12", "r12"],
  ["bp", "rbp"],
  ["bx", "rbx"],
  ["r11", "r11"],
  ["r10", "r10"],
  ["r9", "r9"],
  ["r8", "r8"],
  ["ax", "rax"],
  ["cx", "rcx"],
  ["dx", "rdx"],
  ["si", "rsi"],
  ["di", "rdi"],
  ["orig_ax", "orig_rax"],
  ["ip", "rip"],
  ["cs", "cs"],
  ["flags", "eflags"],
  ["sp", "rsp"],
  ["ss", "ss"],
  ["fs_base", "fs_base"],
  ["gs_base", "gs_base"],
  ["ds", "ds"],
  ["es", "es"],
  ["fs", "fs"],
  ["gs", "gs"],
];

/** Code segment of 64-bit user code (__USER_CS). */
const USER_CS = 0x33n;

/** As CRIU's images hold it: what has a restart block, which is not in any image, ends with EINTR. */
function settleForImage(registers: Registers): Registers {
  return settleSystemCall(registers, (blocked) => blocked.with({ rax: BigInt(-ERRNO.EINTR) }));
}

function toImage(registers: Registers): UserX86RegsEntry {
  const entry = Object.fromEntries(NAMES.map(([image, kernel]) => [image, registers.get(kernel)]));
  return { ...(entry as unknown as UserX86RegsEntry), mode: UserX86RegsMode.NATIVE };
}

function fromImage(entry: UserX86RegsEntry): Registers {
  const values = Object.fromEntries(NAMES.map(([image, kernel]) => [kernel, entry[image] as bigint]));
  // No call is under way in a restored thread: what has to be repeated is at its syscall instruction.
  return new Registers().with({ ...values, orig_rax: -1n });
}

function putIn(thread: RestoreThread): void {
  const { tracee, info, core, task } = thread;
  if (info.fpregs) tracee.setXstate(fpregsToXsave(info.fpregs, tracee.getXstate()));
  tracee.setRegisters(fromImage(info.gpregs));
  tracee.setSignalMask(core.blk_sigset ?? task.core.blk_sigset);
}

export const registers: Kind = {
  name: "registers",

  dumpThread(thread) {
    return () => {
      const { tracee } = thread;
      const general = tracee.getRegisters();
      if (general.get("cs") !== USER_CS) {
        throw new UnsupportedError("32-bit code: not supported yet", { tid: thread.tid });
      }
      thread.info.gpregs = toImage(settleForImage(general));
      thread.info.fpregs = xsaveToFpregs(tracee.getXstate());
      const mask = tracee.getSignalMask();
      if (thread.isLeader) thread.task.core.blk_sigset = mask;
      else thread.core.blk_sigset = mask;
    };
  },

  restoreThread: { registers: putIn },
};
