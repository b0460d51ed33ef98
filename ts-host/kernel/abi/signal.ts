/**
 * Signals: numbers, dispositions, alternate stacks, siginfo, sigevent, in the kernel's own form, which for
 * sigaction is not libc's (asm/signal.h, asm-generic/siginfo.h).
 */

import { bytes, type LayoutValue, struct } from "./layout.ts";

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGIOT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPOLL = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;
export const SIGRTMAX = 64;

const names = new Map<number, string>(
  Object.entries({
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGILL,
    SIGTRAP,
    SIGABRT,
    SIGBUS,
    SIGFPE,
    SIGKILL,
    SIGUSR1,
    SIGSEGV,
    SIGUSR2,
    SIGPIPE,
    SIGALRM,
    SIGTERM,
    SIGSTKFLT,
    SIGCHLD,
    SIGCONT,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGXCPU,
    SIGXFSZ,
    SIGVTALRM,
    SIGPROF,
    SIGWINCH,
    SIGIO,
    SIGPWR,
    SIGSYS,
  }).map(([name, number]) => [number, name]),
);

/** "SIGTERM" for 15, "SIGRTMIN+2" for 34, "signal 99" for what is none. */
export function signalName(signal: number): string {
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) {
    return signal === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${signal - SIGRTMIN}`;
  }
  return names.get(signal) ?? `signal ${signal}`;
}

/** Size of a signal mask in bytes, which the kernel wants to be told. */
export const SIGNAL_MASK_SIZE = 8;

/** The bit of a signal in a mask; signal 1 is bit 0. */
export function signalBit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}

export function signalMask(signals: readonly number[]): bigint {
  return signals.reduce((mask, signal) => mask | signalBit(signal), 0n);
}

/** Special handlers. */
export const SIG_DFL = 0;
export const SIG_IGN = 1;

/** First argument of rt_sigprocmask. */
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SA_NOCLDSTOP = 1;
export const SA_NOCLDWAIT = 2;
export const SA_SIGINFO = 4;
export const SA_UNSUPPORTED = 0x400;
export const SA_EXPOSE_TAGBITS = 0x800;
export const SA_ONSTACK = 0x8000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;
export const SA_NOMASK = 0x40000000;
export const SA_ONESHOT = 0x80000000;
export const SA_RESTORER = 0x4000000;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000;

/** si_code: who sent a signal. */
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;
export const SI_DETHREAD = -7;
export const SI_ASYNCNL = -60;

/** si_code of SIGCHLD. */
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

export const SIGEV_SIGNAL = 0;
export const SIGEV_NONE = 1;
export const SIGEV_THREAD = 2;
export const SIGEV_THREAD_ID = 4;

/** rt_sigaction's structure; its last argument, the size of the mask, is 8. */
export const sigaction = struct("sigaction", {
  sa_handler: "u64",
  sa_flags: "u64",
  sa_restorer: "u64",
  sa_mask: "u64",
});
export type Sigaction = LayoutValue<typeof sigaction>;

export const stackT = struct("sigaltstack", { ss_sp: "u64", ss_flags: "i32", ss_size: "u64" });
export type StackT = LayoutValue<typeof stackT>;

/** The head of a siginfo, which is 128 bytes; what follows depends on signal and code, so keep the raw bytes. */
export const siginfo = struct("siginfo", {
  si_signo: "i32",
  si_errno: "i32",
  si_code: "i32",
  rest: bytes(116),
});
export type Siginfo = LayoutValue<typeof siginfo>;

/** The siginfo of a signal that a process has sent (SI_USER, SI_QUEUE, SI_TKILL), and of SIGCHLD: who is meant. */
export const senderSiginfo = struct(
  "siginfo",
  {
    si_signo: "i32",
    si_errno: "i32",
    si_code: "i32",
    padding: "i32",
    si_pid: "i32",
    si_uid: "u32",
  },
  128,
);

/** The siginfo of a POSIX timer's signal (SI_TIMER): id of the timer, and how often it expired since it was due. */
export const timerSiginfo = struct(
  "siginfo",
  {
    si_signo: "i32",
    si_errno: "i32",
    si_code: "i32",
    padding: "i32",
    si_tid: "i32",
    si_overrun: "i32",
    si_value: "u64",
  },
  128,
);

/** Argument of timer_create; `sigev_notify_thread_id` counts with SIGEV_THREAD_ID only. */
export const sigevent = struct(
  "sigevent",
  { sigev_value: "u64", sigev_signo: "i32", sigev_notify: "i32", sigev_notify_thread_id: "i32" },
  64,
);
