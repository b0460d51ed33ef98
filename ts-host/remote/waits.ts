/**
 * Waits that end with EINTR whenever their thread is stopped (see signal(7)), and so by a freeze. One that
 * has no limit of time is set to be made again, unless a handler is to run first: so the kernel itself does it
 * with most calls. One that has a limit ends with EINTR, as nobody knows what is left of it.
 */
import { ERRNO } from "../kernel/errno.ts";
import { SYS, type SyscallName } from "../kernel/syscalls.ts";
import { ERESTARTNOHAND, type Registers } from "./registers.ts";
import type { Tracee } from "./tracee.ts";

const EINTR = BigInt(-ERRNO.EINTR);

/** Whether a wait has no limit; by the call that it is. */
const IS_ENDLESS: Partial<Record<SyscallName, (registers: Registers) => boolean>> = {
  rt_sigtimedwait: (registers) => registers.get("rdx") === 0n,
  epoll_wait: (registers) => BigInt.asIntN(32, registers.get("r10")) < 0n,
  epoll_pwait: (registers) => BigInt.asIntN(32, registers.get("r10")) < 0n,
  epoll_pwait2: (registers) => registers.get("r10") === 0n,
  semop: () => true,
  semtimedop: (registers) => registers.get("r10") === 0n,
};

const BY_NUMBER = new Map(
  Object.entries(IS_ENDLESS).map(([name, isEndless]) => [BigInt(SYS[name as SyscallName]), isEndless]),
);

/** Of a thread that was just stopped by its tracer; what a stop signal has ended before is left alone. */
export function settleWait(tracee: Tracee): void {
  if (tracee.stoppedBy !== undefined) return;
  const registers = tracee.getRegisters();
  if (BigInt.asIntN(64, registers.get("rax")) !== EINTR) return;
  const isEndless = BY_NUMBER.get(registers.get("orig_rax"));
  if (isEndless?.(registers)) tracee.setRegisters(registers.with({ rax: ERESTARTNOHAND }));
}
