/**
 * One thread that this process traces: seize, stop, look at, change, let go.
 *
 * A Tracee is stopped from `waitForStop` on, and between any two calls of its methods. Death of the thread
 * is a TargetGoneError, never a crash of the host.
 */
import { DeadlineError, SystemCallError, TargetGoneError, UnsupportedError } from "../errors.ts";
import { PR_SYS_DISPATCH_OFF } from "../kernel/abi/prctl.ts";
import {
  NT_X86_XSTATE,
  PTRACE_CONT,
  PTRACE_DETACH,
  PTRACE_EVENT_STOP,
  PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG,
  PTRACE_GETEVENTMSG,
  PTRACE_GETREGS,
  PTRACE_GETREGSET,
  PTRACE_GETSIGINFO,
  PTRACE_GETSIGMASK,
  PTRACE_INTERRUPT,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_PEEKSIGINFO,
  PTRACE_PEEKSIGINFO_SHARED,
  PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG,
  PTRACE_SETOPTIONS,
  PTRACE_SETREGS,
  PTRACE_SETREGSET,
  PTRACE_SETSIGMASK,
  type PTRACE_SYSCALL,
  peekSiginfoArgs,
  syscallUserDispatchConfig,
} from "../kernel/abi/ptrace.ts";
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SIGTRAP, siginfo, signalName } from "../kernel/abi/signal.ts";
import { __WALL, P_PID, WEXITED, WNOHANG, WNOWAIT } from "../kernel/abi/wait.ts";
import { callOnTask, seizeTask, tryCall } from "../native/calls.ts";
import { addressOf, waitFor } from "../native/ffi.ts";
import { Registers } from "./registers.ts";

/** Pending signals that one call asks for. */
const SIGNALS_AT_ONCE = 64;
/** Long enough for the kernel to take much memory apart. */
const REAP_TIMEOUT_US = 60_000_000;
/** Every signal that can be blocked. */
export const ALL_SIGNALS = 2n ** 64n - 1n;
/** Room for the XSAVE area of any x86 processor (AMX included). */
const XSTATE_ROOM = 12 * 1024;

/** Whom a signal was sent to: the thread itself, or its process, any thread of which may take it. */
export type SignalOwner = "thread" | "process";

/** Why a traced thread stopped. */
export type Stop =
  | { kind: "event"; event: number; signal: number }
  | { kind: "syscall" }
  | { kind: "signal"; signal: number };

/** ptrace options of a process that is dumped. */
export const TARGET_OPTIONS = PTRACE_O_TRACESYSGOOD;

/** The thread's id is not traced any more: its thread has become the leader by an exec, or never was ours. */
export class ThreadLostError extends TargetGoneError {}

export class Tracee {
  readonly tid: number;
  /** The job-control signal of the stop that the thread was in when it was last asked to stop, if it was. */
  stoppedBy: number | undefined;
  /** struct ptrace_sud_config of a thread whose system calls go to a handler: off while calls are made in it. */
  userDispatch: Uint8Array | undefined;
  private stopped = false;

  private constructor(tid: number) {
    this.tid = tid;
  }

  /**
   * Begins to trace a thread; it goes on running until `interrupt`. A DeadlineError when that takes longer
   * than `timeoutUs`: the process is in the middle of an exec.
   */
  static seize(tid: number, options: number, timeoutUs: number): Tracee {
    seizeTask(tid, options, timeoutUs);
    return new Tracee(tid);
  }

  /** A thread that is traced already: one cloned under PTRACE_O_TRACECLONE or CLONE_PTRACE. */
  static adopt(tid: number): Tracee {
    return new Tracee(tid);
  }

  /** A thread that is traced already, of which nobody knows whether its last stop was waited for. */
  static findAgain(tid: number): Tracee {
    const tracee = new Tracee(tid);
    if (!tracee.isHeld() || tracee.news() !== 0) return tracee;
    tracee.interrupt();
    tracee.resume(PTRACE_CONT);
    return tracee;
  }

  /** Whether its last stop was waited for, and it was not set running since. */
  get isStopped(): boolean {
    return this.stopped;
  }

  /** Asks the kernel: is it traced by us, and does it stand still? */
  isHeld(): boolean {
    try {
      this.getEventMessage();
      return true;
    } catch (error) {
      if (error instanceof TargetGoneError) return false;
      throw error;
    }
  }

  /** PTRACE_O_ flags, in place of those of before. */
  setOptions(options: number): void {
    callOnTask(this.tid, "ptrace", PTRACE_SETOPTIONS, this.tid, 0, options);
  }

  /** Until it is let go, the stopped thread may make any system call, whatever its seccomp filters say. */
  suspendSeccomp(options: number): void {
    try {
      this.setOptions(options | PTRACE_O_SUSPEND_SECCOMP);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.context.errno !== "EPERM") throw error;
      const hint = "CAP_SYS_ADMIN is needed, and no seccomp filter of one's own";
      throw new UnsupportedError(
        "has seccomp filters, which cannot be suspended from here",
        { tid: this.tid, hint },
        error,
      );
    }
  }

  interrupt(): void {
    callOnTask(this.tid, "ptrace", PTRACE_INTERRUPT, this.tid, 0, 0);
  }

  /** Waits for the next stop, at most `timeoutUs`. */
  wait(timeoutUs: number): Stop {
    const stop = this.waitAtMost(timeoutUs);
    if (stop) return stop;
    throw new DeadlineError(`did not stop within ${timeoutUs / 1e6} s`, { tid: this.tid });
  }

  /** As `wait`; undefined when time is up. */
  waitAtMost(timeoutUs: number): Stop | undefined {
    const { status, errno } = waitFor(this.tid, __WALL, timeoutUs);
    if (errno !== undefined) throw new ThreadLostError("the task is gone", { tid: this.tid });
    if (status === undefined) return undefined;
    if ((status & 0x7f) === 0) {
      throw new TargetGoneError(`exited with status ${(status >> 8) & 0xff} while it was traced`, {
        tid: this.tid,
      });
    }
    if ((status & 0xff) !== 0x7f) {
      throw new TargetGoneError(`was killed by ${signalName(status & 0x7f)} while it was traced`, {
        tid: this.tid,
      });
    }
    this.stopped = true;
    const signal = (status >> 8) & 0x7f;
    if (status >> 16) return { kind: "event", event: status >> 16, signal };
    return (status >> 8) & 0x80 ? { kind: "syscall" } : { kind: "signal", signal };
  }

  /**
   * Waits until an interrupted thread has stopped where nothing is under way. A signal that arrives first is
   * let through: its handler is set up, and the thread then stops at once.
   */
  waitForInterrupt(timeoutUs: number): void {
    for (;;) {
      const stop = this.wait(timeoutUs);
      if (stop.kind === "event" && stop.event === PTRACE_EVENT_STOP) {
        this.stoppedBy = stop.signal === SIGTRAP ? undefined : stop.signal;
        return;
      }
      // Any stop takes the place of the one that was asked for.
      this.interrupt();
      this.resume(PTRACE_CONT, stop.kind === "signal" ? stop.signal : 0);
    }
  }

  resume(how: typeof PTRACE_CONT | typeof PTRACE_SYSCALL, signal = 0): void {
    callOnTask(this.tid, "ptrace", how, this.tid, 0, signal);
    this.stopped = false;
  }

  /**
   * Puts the signal at whose delivery the thread stands back into the queue that it came from, siginfo and
   * all: the kernel does that with a signal that is blocked by the time its delivery goes on. All signals
   * are blocked afterwards.
   */
  putBack(signal: number, timeoutUs: number): void {
    this.setSignalMask(ALL_SIGNALS);
    this.interrupt();
    this.resume(PTRACE_CONT, signal);
    this.waitForInterrupt(timeoutUs);
  }

  /** Has a stopped thread stop once more, to learn whether job control keeps it stopped by now. */
  stopAgain(timeoutUs: number): void {
    this.interrupt();
    this.resume(PTRACE_CONT);
    this.waitForInterrupt(timeoutUs);
  }

  /** Lets the thread go; a restartable call that it was in restarts, a stopped thread stays stopped. */
  detach(): void {
    callOnTask(this.tid, "ptrace", PTRACE_DETACH, this.tid, 0, 0);
    this.stopped = false;
  }

  /** Takes notice of the end of a thread, which else stays a zombie for want of its tracer. Whether it had ended. */
  reapIfEnded(): boolean {
    const hasEnded = [CLD_EXITED, CLD_KILLED, CLD_DUMPED].includes(this.news());
    if (hasEnded) waitFor(this.tid, __WALL, 0);
    return hasEnded;
  }

  /** What there is to be waited for, a CLD_ code, and will be after this; 0 for nothing. */
  private news(): number {
    const info = Buffer.alloc(siginfo.size);
    // A stop is told whatever is asked for.
    tryCall("waitid", P_PID, this.tid, info, WEXITED | WNOHANG | WNOWAIT | __WALL, 0);
    return siginfo.read(info).si_code;
  }

  /** Waits for the end of a thread that was killed and takes notice of it. */
  reap(): void {
    try {
      for (;;) {
        this.wait(REAP_TIMEOUT_US);
        this.resume(PTRACE_CONT);
      }
    } catch (error) {
      if (!(error instanceof TargetGoneError)) throw error;
    }
  }

  getRegisters(): Registers {
    const registers = new Registers();
    callOnTask(this.tid, "ptrace", PTRACE_GETREGS, this.tid, 0, registers.bytes);
    return registers;
  }

  setRegisters(registers: Registers): void {
    callOnTask(this.tid, "ptrace", PTRACE_SETREGS, this.tid, 0, registers.bytes);
  }

  /** Blocked signals, bit N-1 for signal N. */
  getSignalMask(): bigint {
    const mask = new BigUint64Array(1);
    callOnTask(this.tid, "ptrace", PTRACE_GETSIGMASK, this.tid, 8, new Uint8Array(mask.buffer));
    return mask[0]!;
  }

  setSignalMask(mask: bigint): void {
    const words = new BigUint64Array([mask]);
    callOnTask(this.tid, "ptrace", PTRACE_SETSIGMASK, this.tid, 8, new Uint8Array(words.buffer));
  }

  /** siginfo_t (128 bytes) of the signal that the thread is stopped with. */
  getSignalInfo(): Buffer {
    const info = Buffer.alloc(128);
    callOnTask(this.tid, "ptrace", PTRACE_GETSIGINFO, this.tid, 0, info);
    return info;
  }

  /** The FPU and vector state: the XSAVE area as the kernel shows it, not compacted. */
  getXstate(): Buffer {
    const area = Buffer.alloc(XSTATE_ROOM);
    const iov = ioVector(area);
    callOnTask(this.tid, "ptrace", PTRACE_GETREGSET, this.tid, NT_X86_XSTATE, iov);
    return area.subarray(0, Number(iov.readBigUInt64LE(8)));
  }

  setXstate(area: Uint8Array): void {
    callOnTask(this.tid, "ptrace", PTRACE_SETREGSET, this.tid, NT_X86_XSTATE, ioVector(area));
  }

  /** siginfo_t of each pending signal, in the order of their arrival. */
  getPendingSignals(owner: SignalOwner): Buffer[] {
    const signals: Buffer[] = [];
    const flags = owner === "process" ? PTRACE_PEEKSIGINFO_SHARED : 0;
    const some = Buffer.alloc(SIGNALS_AT_ONCE * siginfo.size);
    for (;;) {
      const args = peekSiginfoArgs.pack({ off: BigInt(signals.length), flags, nr: SIGNALS_AT_ONCE });
      const count = Number(callOnTask(this.tid, "ptrace", PTRACE_PEEKSIGINFO, this.tid, args, some));
      if (count === 0) return signals;
      for (let index = 0; index < count; index++) {
        signals.push(Buffer.from(some.subarray(index * siginfo.size, (index + 1) * siginfo.size)));
      }
    }
  }

  /**
   * struct ptrace_sud_config, if the thread has its system calls sent to a handler (syscall user dispatch).
   * Kernels before 6.4 do not tell.
   */
  getUserDispatch(): Uint8Array | undefined {
    const config = Buffer.alloc(syscallUserDispatchConfig.size);
    const request = PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG;
    tryCall("ptrace", request, this.tid, config.length, config);
    return syscallUserDispatchConfig.read(config).mode === BigInt(PR_SYS_DISPATCH_OFF) ? undefined : config;
  }

  setUserDispatch(config: Uint8Array): void {
    const request = PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG;
    callOnTask(this.tid, "ptrace", request, this.tid, config.length, config);
  }

  getEventMessage(): bigint {
    const word = new BigUint64Array(1);
    callOnTask(this.tid, "ptrace", PTRACE_GETEVENTMSG, this.tid, 0, new Uint8Array(word.buffer));
    return word[0]!;
  }
}

function ioVector(area: Uint8Array): Buffer {
  const iov = Buffer.alloc(16);
  iov.writeBigUInt64LE(addressOf(area), 0);
  iov.writeBigUInt64LE(BigInt(area.length), 8);
  return iov;
}
