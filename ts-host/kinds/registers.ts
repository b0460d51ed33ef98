/**
 * Registers: general purpose, FPU and vector state, signal mask, and the call that a thread was interrupted
 * in. They are put in by ptrace at the very end, when no call is to be made any more.
 */

import type { DumpThread } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import { UnsupportedError } from "../errors.ts";
import { type SaEntry, type UserX86RegsEntry, UserX86RegsMode } from "../generated/messages.ts";
import { SA_RESTART, SIG_DFL, SIG_IGN, siginfo, signalBit } from "../kernel/abi/signal.ts";
import { fpregsToXsave, xsaveToFpregs } from "../kernel/abi/xsave.ts";
import { ERRNO } from "../kernel/errno.ts";
import {
  ERESTARTNOHAND,
  ERESTARTSYS,
  type RegisterName,
  Registers,
  settleSystemCall,
} from "../remote/registers.ts";
import { actionOf } from "./signal-actions.ts";

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

const withEintr = (registers: Registers) => registers.with({ rax: BigInt(-ERRNO.EINTR) });

/** The action of the handler that will run first when the thread goes on, if there is one. */
function handlerToCome(thread: DumpThread, mask: bigint): SaEntry | undefined {
  const { core } = thread.task;
  const inOrder = [thread.core.signals_p, core.signals_s].flatMap((queue) =>
    queue!.signals.map((entry) => siginfo.read(entry.siginfo).si_signo).sort((a, b) => a - b),
  );
  return inOrder
    .filter((signal) => (mask & signalBit(signal)) === 0n)
    .map((signal) => actionOf(core, signal))
    .find((action) => action && action.sigaction !== BigInt(SIG_DFL) && action.sigaction !== BigInt(SIG_IGN));
}

/** Whether the kernel, which lets the handler run before a call is made again, ends the call for it. */
function endsForHandler(registers: Registers, handler: SaEntry | undefined): boolean {
  if (!handler || BigInt.asIntN(64, registers.get("orig_rax")) < 0n) return false;
  const result = BigInt.asIntN(64, registers.get("rax"));
  if (result === ERESTARTNOHAND) return true;
  return result === ERESTARTSYS && (handler.flags & BigInt(SA_RESTART)) === 0n;
}

/** As CRIU's images hold it: what has a restart block, which is not in any image, ends with EINTR. */
function settleForImage(registers: Registers, handler: SaEntry | undefined): Registers {
  if (endsForHandler(registers, handler)) return withEintr(registers);
  return settleSystemCall(registers, withEintr);
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
  after: ["signal-action", "pending-signal"],

  dumpThread(thread) {
    return () => {
      const { tracee } = thread;
      const mask = tracee.getSignalMask();
      const settled = settleForImage(tracee.getRegisters(), handlerToCome(thread, mask));
      thread.info.gpregs = toImage(settled);
      thread.info.fpregs = xsaveToFpregs(tracee.getXstate());
      if (thread.isLeader) thread.task.core.blk_sigset = mask;
      else thread.core.blk_sigset = mask;
    };
  },

  restoreThread: {
    check({ tid, info }) {
      if (info.gpregs.mode === UserX86RegsMode.COMPAT)
        throw new UnsupportedError("32-bit code: not supported yet", { tid, file: `core-${tid}.img` });
    },
    registers: putIn,
  },
};
