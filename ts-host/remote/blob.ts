/**
 * Calls by the blob of shim/blob.S, which makes a whole batch and then sends its own thread a signal. That
 * stops the thread, as every signal does in a traced one, and the tracer takes the signal away.
 *
 * The signal is one that does no harm should the tracer be dead by then: the kernel drops it, unless the task
 * handles it, and the blob goes back to what the thread was doing.
 */
import { CriuWasmError } from "../errors.ts";
import { PTRACE_CONT } from "../kernel/abi/ptrace.ts";
import {
  SI_TKILL,
  SI_USER,
  SIGCHLD,
  SIGIO,
  SIGPROF,
  SIGURG,
  SIGUSR1,
  SIGUSR2,
  SIGVTALRM,
  SIGWINCH,
  siginfo,
  signalBit,
} from "../kernel/abi/signal.ts";
import type { Arena } from "./arena.ts";
import { type Batch, HEADER, HEADER_SIZE } from "./batch.ts";
import { settleInPlace } from "./registers.ts";
import {
  BATCH_DEADLINE,
  borrowing,
  checkLast,
  nextStop,
  type OwnState,
  passOn,
  type Remote,
} from "./remote.ts";
import { ALL_SIGNALS, type Tracee } from "./tracee.ts";

/** Signals that are ignored by a program that does not handle them. */
const HARMLESS = [SIGURG, SIGWINCH, SIGCHLD];
/** For a task that has just got all of those from somebody else. */
const LAST_RESORT = [SIGIO, SIGPROF, SIGVTALRM, SIGUSR1, SIGUSR2];

/** The signals that the blob may end with, best first, given the masks of those that the task handles and has pending. */
export function endSignals(handled = 0n, pending = 0n): number[] {
  const isIn = (mask: bigint, signal: number) => Number((mask & signalBit(signal)) !== 0n);
  const badness = (signal: number) => 2 * isIn(pending, signal) + isIn(handled, signal);
  return [...[...HARMLESS].sort((a, b) => badness(a) - badness(b)), ...LAST_RESORT];
}

export class BlobRemote implements Remote {
  readonly tracee: Tracee;
  private readonly arena: Arena;
  private readonly signals: readonly number[];
  private readonly deadlineUs: number;

  constructor(tracee: Tracee, arena: Arena, signals = endSignals(), deadlineUs = BATCH_DEADLINE) {
    this.tracee = tracee;
    this.arena = arena;
    this.signals = signals;
    this.deadlineUs = deadlineUs;
  }

  run(batch: Batch): void {
    if (batch.ops.length === 0) return;
    const image = borrowing(this.tracee, (own) => {
      const encoded = this.arena.write(batch, (header) => describeOwn(own, header));
      this.runToEnd(batch, own);
      return encoded;
    });
    const done = this.collect(batch, image);
    checkLast(batch, batch.ops[done - 1]);
  }

  private runToEnd(batch: Batch, own: OwnState): void {
    const registers = own.registers.with({
      rip: this.arena.code,
      rbx: this.arena.base,
      r12: this.arena.base + BigInt(HEADER_SIZE),
      // No call is under way: nothing is to be restarted.
      orig_rax: -1n,
    });
    let calls = BigInt(batch.ops.length);
    for (const signal of this.signals) {
      const others = ALL_SIGNALS ^ signalBit(signal);
      this.tracee.setRegisters(registers.with({ r13: calls, r14: others, r15: BigInt(signal) }));
      this.tracee.setSignalMask(ALL_SIGNALS);
      if (this.reachesEnd(signal, batch)) return;
      // All calls were made; only the end is tried again, with another signal.
      calls = 0n;
    }
    throw new CriuWasmError("gets signals faster than system calls can be made in it", {
      tid: this.tracee.tid,
    });
  }

  /** False when the signal came from somebody else just before the end: it is pending again, another one will do. */
  private reachesEnd(signal: number, batch: Batch): boolean {
    this.tracee.resume(PTRACE_CONT);
    for (;;) {
      const stop = nextStop(this.tracee, this.deadlineUs, () => this.currentCall(batch));
      if (stop.kind === "signal" && stop.signal === signal) {
        const isAtEnd = this.tracee.getRegisters().get("rip") === this.arena.end;
        if (!isAtEnd || !isFromItself(this.tracee)) this.tracee.putBack(signal, this.deadlineUs);
        return isAtEnd;
      }
      this.tracee.resume(PTRACE_CONT, passOn(this.tracee, stop));
    }
  }

  private currentCall(batch: Batch): string | undefined {
    const op = batch.ops[this.collect(batch, Buffer.alloc(batch.size))];
    return op && batch.print(op);
  }

  /** Takes over what was done so far; the number of ops made. */
  private collect(batch: Batch, image: Buffer): number {
    this.arena.read(image);
    const done = Number(image.readBigUInt64LE(HEADER.DONE));
    batch.decodeResults(image, done);
    batch.decodeData(image);
    return done;
  }
}

/** What the blob needs to find back by itself. */
function describeOwn(own: OwnState, header: Buffer): void {
  header.writeBigUInt64LE(own.mask, HEADER.MASK);
  header.set(settleInPlace(own.registers).bytes, HEADER.REGISTERS);
}

/** When the user's limit of queued signals is reached, the kernel forgets who sent one: then it says SI_USER. */
function isFromItself(tracee: Tracee): boolean {
  const { si_code } = siginfo.read(tracee.getSignalInfo());
  return si_code === SI_TKILL || si_code === SI_USER;
}
