/** Calls by ptrace alone: registers set, one syscall instruction run, result read. */
import { CriuWasmError } from "../errors.ts";
import { PTRACE_SYSCALL } from "../kernel/abi/ptrace.ts";
import type { Arena } from "./arena.ts";
import { Batch, HEADER_SIZE, LOAD32, LOAD64, OP, OP_SIZE, type Op } from "./batch.ts";
import { readMemory } from "./memory.ts";
import type { Registers } from "./registers.ts";
import { BATCH_DEADLINE, borrowing, checkLast, nextStop, passOn, type Remote } from "./remote.ts";
import { ALL_SIGNALS, type Tracee } from "./tracee.ts";

export class StepRemote implements Remote {
  readonly tracee: Tracee;
  /** Address of a syscall instruction in the target. */
  readonly instruction: bigint;
  private readonly arena: Arena | undefined;
  private readonly deadlineUs: number;

  /** Without an arena, only batches that hold no data can be run. */
  constructor(tracee: Tracee, instruction: bigint, arena?: Arena, deadlineUs = BATCH_DEADLINE) {
    this.tracee = tracee;
    this.instruction = instruction;
    this.arena = arena;
    this.deadlineUs = deadlineUs;
  }

  run(batch: Batch): void {
    if (batch.ops.length === 0) return;
    if (batch.data.length > 0 && !this.arena) {
      throw new CriuWasmError("internal: a batch with data needs an arena");
    }
    const image = this.arena?.write(batch) ?? batch.encode(0n);
    let last: Op | undefined;
    borrowing(this.tracee, ({ registers }) => {
      this.tracee.setSignalMask(ALL_SIGNALS);
      for (const op of batch.ops) {
        last = op;
        const nr = image.readUInt32LE(HEADER_SIZE + op.index * OP_SIZE + OP.NR);
        op.ret = this.callOnce(registers, nr, this.loadArguments(batch, image, op), () => batch.print(op));
        if (op.failed && !op.mayFail) break;
      }
    });
    if (this.arena) {
      this.arena.read(image);
      batch.decodeData(image);
    }
    checkLast(batch, last);
  }

  /** One system call, the registers left as they are after it. */
  private callOnce(own: Registers, nr: number, args: bigint[], print: () => string): bigint {
    const [rdi, rsi, rdx, r10, r8, r9] = args;
    this.tracee.setRegisters(
      own.with({ rip: this.instruction, rax: BigInt(nr), orig_rax: -1n, rdi, rsi, rdx, r10, r8, r9 }),
    );
    this.toSyscallStop(print);
    this.toSyscallStop(print);
    return BigInt.asIntN(64, this.tracee.getRegisters().get("rax"));
  }

  private toSyscallStop(print: () => string): void {
    let signal = 0;
    for (;;) {
      this.tracee.resume(PTRACE_SYSCALL, signal);
      const stop = nextStop(this.tracee, this.deadlineUs, print);
      if (stop.kind === "syscall") return;
      signal = passOn(this.tracee, stop);
    }
  }

  /** What the blob does at the head of its loop. */
  private loadArguments(batch: Batch, image: Buffer, op: Op): bigint[] {
    const at = HEADER_SIZE + op.index * OP_SIZE;
    const kinds = image.readUInt16LE(at + OP.KINDS);
    return Array.from({ length: 6 }, (_, index) => {
      const value = image.readBigUInt64LE(at + OP.ARGS + 8 * index);
      switch ((kinds >> (2 * index)) & 3) {
        case LOAD64:
          return BigInt.asUintN(64, batch.ops[(Number(value) - HEADER_SIZE - OP.RET) / OP_SIZE]!.ret!);
        case LOAD32: {
          const word = Buffer.alloc(4);
          readMemory(this.tracee.tid, this.arena!.base + value, word);
          return BigInt(word.readUInt32LE());
        }
        default:
          return value;
      }
    });
  }
}

/** One call by step, for what must be done before there is an arena or after it is gone. */
export function callByStep(remote: StepRemote, name: Op["name"], ...args: (number | bigint)[]): bigint {
  const batch = new Batch();
  const op = batch.call(name, args);
  remote.run(batch);
  return op.ret!;
}
