/**
 * ptrace: requests, options, stop events, and the structures that it copies (linux/ptrace.h, asm/ptrace-abi.h).
 */

import { type LayoutValue, struct } from "./layout.ts";

/** Requests. */
export const PTRACE_GETREGS = 12;
export const PTRACE_SETREGS = 13;
export const PTRACE_GETFPREGS = 14;
export const PTRACE_SETFPREGS = 15;
export const PTRACE_GETFPXREGS = 18;
export const PTRACE_SETFPXREGS = 19;
export const PTRACE_OLDSETOPTIONS = 21;
export const PTRACE_GET_THREAD_AREA = 25;
export const PTRACE_SET_THREAD_AREA = 26;
export const PTRACE_ARCH_PRCTL = 30;
export const PTRACE_SYSEMU = 31;
export const PTRACE_SYSEMU_SINGLESTEP = 32;
export const PTRACE_SINGLEBLOCK = 33;
export const PTRACE_TRACEME = 0;
export const PTRACE_PEEKTEXT = 1;
export const PTRACE_PEEKDATA = 2;
export const PTRACE_PEEKUSR = 3;
export const PTRACE_POKETEXT = 4;
export const PTRACE_POKEDATA = 5;
export const PTRACE_POKEUSR = 6;
export const PTRACE_CONT = 7;
export const PTRACE_KILL = 8;
export const PTRACE_SINGLESTEP = 9;
export const PTRACE_ATTACH = 16;
export const PTRACE_DETACH = 17;
export const PTRACE_SYSCALL = 24;
export const PTRACE_SETOPTIONS = 0x4200;
export const PTRACE_GETEVENTMSG = 0x4201;
export const PTRACE_GETSIGINFO = 0x4202;
export const PTRACE_SETSIGINFO = 0x4203;
export const PTRACE_GETREGSET = 0x4204;
export const PTRACE_SETREGSET = 0x4205;
export const PTRACE_SEIZE = 0x4206;
export const PTRACE_INTERRUPT = 0x4207;
export const PTRACE_LISTEN = 0x4208;
export const PTRACE_PEEKSIGINFO = 0x4209;
export const PTRACE_GETSIGMASK = 0x420a;
export const PTRACE_SETSIGMASK = 0x420b;
export const PTRACE_SECCOMP_GET_FILTER = 0x420c;
export const PTRACE_SECCOMP_GET_METADATA = 0x420d;
export const PTRACE_GET_SYSCALL_INFO = 0x420e;
export const PTRACE_GET_RSEQ_CONFIGURATION = 0x420f;
export const PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG = 0x4210;
export const PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211;
export const PTRACE_SET_SYSCALL_INFO = 0x4212;

/** Options, for PTRACE_SEIZE and PTRACE_SETOPTIONS. */
export const PTRACE_O_TRACESYSGOOD = 1;
export const PTRACE_O_TRACEFORK = 2;
export const PTRACE_O_TRACEVFORK = 4;
export const PTRACE_O_TRACECLONE = 8;
export const PTRACE_O_TRACEEXEC = 16;
export const PTRACE_O_TRACEVFORKDONE = 32;
export const PTRACE_O_TRACEEXIT = 0x40;
export const PTRACE_O_TRACESECCOMP = 0x80;
export const PTRACE_O_EXITKILL = 0x100000;
export const PTRACE_O_SUSPEND_SECCOMP = 0x200000;

/** Stop events: bits 16 and up of a wait status. */
export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_EXEC = 4;
export const PTRACE_EVENT_VFORK_DONE = 5;
export const PTRACE_EVENT_EXIT = 6;
export const PTRACE_EVENT_SECCOMP = 7;
export const PTRACE_EVENT_STOP = 128;

/** For PTRACE_PEEKSIGINFO: the queue of the process, not of the thread. */
export const PTRACE_PEEKSIGINFO_SHARED = 1;

/** For PTRACE_GETREGSET and PTRACE_SETREGSET (linux/elf.h). */
export const NT_PRSTATUS = 1;
export const NT_PRFPREG = 2;
export const NT_386_TLS = 0x200;
export const NT_X86_XSTATE = 0x202;
export const NT_X86_SHSTK = 0x204;

/** The general registers, as PTRACE_GETREGS and NT_PRSTATUS give them; 27 × 64 bit. */
export const userRegs = struct("user_regs_struct", {
  r15: "u64",
  r14: "u64",
  r13: "u64",
  r12: "u64",
  bp: "u64",
  bx: "u64",
  r11: "u64",
  r10: "u64",
  r9: "u64",
  r8: "u64",
  ax: "u64",
  cx: "u64",
  dx: "u64",
  si: "u64",
  di: "u64",
  orig_ax: "u64",
  ip: "u64",
  cs: "u64",
  flags: "u64",
  sp: "u64",
  ss: "u64",
  fs_base: "u64",
  gs_base: "u64",
  ds: "u64",
  es: "u64",
  fs: "u64",
  gs: "u64",
});
export type UserRegs = LayoutValue<typeof userRegs>;

/** Argument of PTRACE_PEEKSIGINFO. */
export const peekSiginfoArgs = struct("ptrace_peeksiginfo_args", { off: "u64", flags: "u32", nr: "i32" });

/** Result of PTRACE_GET_RSEQ_CONFIGURATION; all 0 where the thread has none registered. */
export const rseqConfiguration = struct("ptrace_rseq_configuration", {
  rseq_abi_pointer: "u64",
  rseq_abi_size: "u32",
  signature: "u32",
  flags: "u32",
  pad: "u32",
});

/** Argument and result of PTRACE_SECCOMP_GET_METADATA. */
export const seccompMetadata = struct("seccomp_metadata", { filter_off: "u64", flags: "u64" });

/** Syscall user dispatch; `mode` is PR_SYS_DISPATCH_ON or PR_SYS_DISPATCH_OFF. */
export const syscallUserDispatchConfig = struct("ptrace_sud_config", {
  mode: "u64",
  selector: "u64",
  offset: "u64",
  len: "u64",
});
