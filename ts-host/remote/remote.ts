/**
 * Runs batches in a stopped thread. Two back-ends for one encoding:
 *   step   nothing injected: each call by ptrace alone, at a syscall instruction the target has anyway;
 *          15 to 30 µs a call. Maps, moves and unmaps the arena, and serves targets that no int3 may meet.
 *   blob   the loop of shim/blob.S in the arena: one stop for the whole list, 0.2 µs a call.
 * Registers and signal mask are put back after every batch, and a SIGSTOP that came in between: a host that
 * dies between two leaves a target that runs on.
 */
import { CriuWasmError, DeadlineError, RemoteCallError } from "../errors.ts";
import { PTRACE_CONT, PTRACE_SYSCALL } from "../kernel/abi/ptrace.ts";
import { SIGSTOP, SIGTRAP, signalName } from "../kernel/abi/signal.ts";
import { errnoName } from "../kernel/errno.ts";
import { SYS } from "../kernel/syscalls.ts";
import type { Arena } from "./arena.ts";
import { Batch, HEADER_SIZE, OP_SIZE, type Op } from "./batch.ts";
import { readMemory } from "./memory.ts";
import type { Registers } from "./registers.ts";
import type { Tracee } from "./tracee.ts";

/** Longest that one batch may run, in µs. None of its calls waits for anything but the kernel itself. */
const BATCH_DEADLINE = 30_000_000;
const ALL_SIGNALS = 2n ** 64n - 1n;
const ALL_BUT_SIGTRAP = ALL_SIGNALS ^ (1n << BigInt(SIGTRAP - 1));
const SI_KERNEL = 0x80;

export interface Remote {
  /** Makes the calls; their results are then in the ops. A RemoteCallError names the op that failed. */
  run(batch: Batch): void;
}

/** Runs `body` with registers and mask changed, and puts both back whatever happens. */
function borrowed(tracee: Tracee, mask: bigint, body: (saved: Registers) => void): void {
  const saved = tracee.getRegisters();
  const savedMask = tracee.getSignalMask();
  tracee.setSignalMask(mask);
  try {
    body(saved);
  } finally {
    tracee.setRegisters(saved);
    tracee.setSignalMask(savedMask);
    tracee.resendStop();
  }
}

function checkLast(batch: Batch, done: number): void {
  const op = batch.ops[done - 1];
  if (op?.failed && !op.mayFail) {
    throw new RemoteCallError("system call inside the task failed", {
      op: batch.print(op).replace(/ = [^=]*$/, ""),
      errno: errnoName(-op.result),
    });
  }
}

export class StepRemote implements Remote {
  readonly tracee: Tracee;
  /** Address of a syscall instruction in the target. */
  readonly instruction: bigint;
  private readonly arena: Arena | undefined;

  /** Without an arena, only batches that hold no data can be run. */
  constructor(tracee: Tracee, instruction: bigint, arena?: Arena) {
    this.tracee = tracee;
    this.instruction = instruction;
    this.arena = arena;
  }

  run(batch: Batch): void {
    if (batch.ops.length === 0) return;
    const base = this.arena?.base ?? 0n;
    if (batch.data.length > 0) {
      if (!this.arena) throw new CriuWasmError("internal: a batch with data needs an arena");
      this.arena.write(batch);
    }
    const encoded = batch.encode(base);
    let done = 0;
    borrowed(this.tracee, ALL_SIGNALS, (saved) => {
      for (const op of batch.ops) {
        op.ret = this.callOnce(saved, SYS[op.name], this.resolve(encoded, op, base));
        done++;
        if (op.failed && !op.mayFail) break;
      }
    });
    if (batch.data.length > 0) this.collectData(batch);
    checkLast(batch, done);
  }

  /** One system call, the registers left as they are after it. */
  private callOnce(saved: Registers, nr: number, args: bigint[]): bigint {
    const [rdi, rsi, rdx, r10, r8, r9] = args;
    this.tracee.setRegisters(
      saved.with({ rip: this.instruction, rax: BigInt(nr), orig_rax: -1n, rdi, rsi, rdx, r10, r8, r9 }),
    );
    this.toSyscallStop();
    this.toSyscallStop();
    return BigInt.asIntN(64, this.tracee.getRegisters().get("rax"));
  }

  private toSyscallStop(): void {
    for (;;) {
      this.tracee.resume(PTRACE_SYSCALL);
      const stop = this.tracee.wait(BATCH_DEADLINE);
      if (stop.kind === "syscall") return;
      if (stop.kind === "signal") this.tracee.putOffStop();
    }
  }

  private resolve(encoded: Buffer, op: Op, base: bigint): bigint[] {
    const words = encoded.subarray(HEADER_SIZE + op.index * OP_SIZE, HEADER_SIZE + (op.index + 1) * OP_SIZE);
    const kinds = words.readUInt16LE(6);
    return Array.from({ length: 6 }, (_, index) => {
      const value = words.readBigUInt64LE(8 + 8 * index);
      const kind = (kinds >> (2 * index)) & 3;
      if (kind === 0) return value;
      const source = op.args[index];
      if (typeof source === "object" && "index" in source) return BigInt.asUintN(64, source.ret!);
      const word = Buffer.alloc(4);
      readMemory(this.tracee.tid, base + value, word);
      return BigInt(word.readUInt32LE());
    });
  }

  private collectData(batch: Batch): void {
    const results = batch.ops.map((op) => op.ret);
    const image = Buffer.alloc(batch.size);
    readMemory(this.tracee.tid, this.arena!.base, image);
    batch.decode(image, 0);
    batch.ops.forEach((op, index) => {
      op.ret = results[index];
    });
  }
}

export class BlobRemote implements Remote {
  readonly tracee: Tracee;
  private readonly arena: Arena;

  constructor(tracee: Tracee, arena: Arena) {
    this.tracee = tracee;
    this.arena = arena;
  }

  run(batch: Batch): void {
    if (batch.ops.length === 0) return;
    this.arena.write(batch);
    borrowed(this.tracee, ALL_BUT_SIGTRAP, (saved) => {
      this.tracee.setRegisters(
        saved.with({
          rip: this.arena.code,
          rbx: this.arena.base,
          r12: this.arena.base + BigInt(HEADER_SIZE),
          r13: BigInt(batch.ops.length),
          rsp: 0n,
          // No call is under way: nothing is to be restarted.
          orig_rax: -1n,
        }),
      );
      this.tracee.resume(PTRACE_CONT);
      this.waitForTrap(batch);
    });
    const done = this.collect(batch);
    checkLast(batch, done);
  }

  private waitForTrap(batch: Batch): void {
    for (;;) {
      let stop: ReturnType<Tracee["wait"]>;
      try {
        stop = this.tracee.wait(BATCH_DEADLINE);
      } catch (error) {
        if (error instanceof DeadlineError) this.reportBlocked(batch, error);
        throw error;
      }
      if (
        stop.kind === "signal" &&
        stop.signal === SIGTRAP &&
        this.tracee.getSignalInfo().readInt32LE(8) === SI_KERNEL
      ) {
        return;
      }
      if (stop.kind === "signal" && stop.signal === SIGSTOP) this.tracee.putOffStop();
      else if (stop.kind === "signal" && stop.signal !== SIGTRAP) {
        throw new RemoteCallError(`the batch ended in ${signalName(stop.signal)}`, { tid: this.tracee.tid });
      }
      // The trap that an interrupt has set, or somebody's SIGTRAP.
      this.tracee.resume(PTRACE_CONT);
    }
  }

  private reportBlocked(batch: Batch, cause: DeadlineError): never {
    this.tracee.interrupt();
    this.tracee.wait(BATCH_DEADLINE);
    const op = batch.ops[this.collect(batch)];
    throw new RemoteCallError(
      "system call inside the task did not return",
      { op: op && batch.print(op) },
      cause,
    );
  }

  private collect(batch: Batch): number {
    const image = Buffer.alloc(batch.size);
    readMemory(this.tracee.tid, this.arena.base, image);
    const done = Number(image.readBigUInt64LE(0));
    batch.decode(image, done);
    return done;
  }
}

/**
 * Has `queue` add calls for each item, and makes them in as few batches as an arena takes; gives what `queue`
 * returned, whose results are there by then.
 */
export function inBatches<Item, Answer>(
  remote: Remote,
  items: readonly Item[],
  queue: (batch: Batch, item: Item) => Answer,
): Answer[] {
  let batch = new Batch();
  const answers = items.map((item) => {
    const answer = queue(batch, item);
    if (batch.isFull) {
      remote.run(batch);
      batch = new Batch();
    }
    return answer;
  });
  remote.run(batch);
  return answers;
}

/** One call by step, for what must be done before there is an arena or after it is gone. */
export function callByStep(remote: StepRemote, name: Op["name"], ...args: (number | bigint)[]): bigint {
  const batch = new Batch();
  const op = batch.call(name, args);
  remote.run(batch);
  return op.ret!;
}
