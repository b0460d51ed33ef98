/** System calls of the host itself, with errors that say which call failed and how. */
import { DeadlineError, SystemCallError, TargetGoneError } from "../errors.ts";
import { ERRNO, errnoName } from "../kernel/errno.ts";
import { SYS, type SyscallName } from "../kernel/syscalls.ts";
import { type NativeArg, rawSyscall, seizeWithin } from "./ffi.ts";

function print(name: string, args: NativeArg[]): string {
  const shown = args.map((arg) => (typeof arg === "object" ? `[${arg.length} bytes]` : formatNumber(arg)));
  return `${name}(${shown.join(", ")})`;
}

function formatNumber(value: number | bigint): string {
  return value > 0xffff ? `0x${value.toString(16)}` : String(value);
}

/** The raw result: -errno on failure. For calls whose failure is an answer. */
export function tryCall(name: SyscallName, ...args: NativeArg[]): bigint {
  return rawSyscall(SYS[name], ...args);
}

/** The result; a SystemCallError on failure. */
export function call(name: SyscallName, ...args: NativeArg[]): bigint {
  const ret = tryCall(name, ...args);
  if (ret >= 0n || ret < -4095n) return ret;
  throw new SystemCallError("system call failed", { op: print(name, args), errno: errnoName(Number(-ret)) });
}

/** As `call`, about a task: ESRCH means that the task died, which is a TargetGoneError. */
export function callOnTask(tid: number, name: SyscallName, ...args: NativeArg[]): bigint {
  const ret = tryCall(name, ...args);
  if (ret >= 0n || ret < -4095n) return ret;
  throw failedOnTask(tid, print(name, args), Number(-ret));
}

function failedOnTask(tid: number, op: string, errno: number): Error {
  const context = { tid, op, errno: errnoName(errno) };
  if (errno === ERRNO.ESRCH) return new TargetGoneError("the task is gone", context);
  return new SystemCallError("system call failed", context);
}

/** PTRACE_SEIZE, with a deadline in µs. */
export function seizeTask(tid: number, options: number, timeoutUs: number): void {
  const ret = seizeWithin(tid, options, timeoutUs);
  if (-ret === ERRNO.EINTR) throw new DeadlineError("is executing a program and cannot be seized", { tid });
  if (ret < 0) throw failedOnTask(tid, `ptrace(PTRACE_SEIZE, ${tid})`, -ret);
}
