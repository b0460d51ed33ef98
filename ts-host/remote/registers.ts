/** General-purpose registers of a stopped task: struct user_regs_struct, 27 words of 64 bits. */
import { SYS } from "../kernel/syscalls.ts";

/** In the kernel's order (asm/user_64.h). */
export const REGISTER_NAMES = [
  "r15",
  "r14",
  "r13",
  "r12",
  "rbp",
  "rbx",
  "r11",
  "r10",
  "r9",
  "r8",
  "rax",
  "rcx",
  "rdx",
  "rsi",
  "rdi",
  "orig_rax",
  "rip",
  "cs",
  "eflags",
  "rsp",
  "ss",
  "fs_base",
  "gs_base",
  "ds",
  "es",
  "fs",
  "gs",
] as const;

export type RegisterName = (typeof REGISTER_NAMES)[number];

const INDEX = Object.fromEntries(REGISTER_NAMES.map((name, index) => [name, index])) as Record<
  RegisterName,
  number
>;

export class Registers {
  readonly words: BigUint64Array;

  constructor(words = new BigUint64Array(REGISTER_NAMES.length)) {
    this.words = words;
  }

  get(name: RegisterName): bigint {
    return this.words[INDEX[name]]!;
  }

  /** A copy with some registers changed. */
  with(changes: Partial<Record<RegisterName, bigint>>): Registers {
    const copy = new Registers(this.words.slice());
    for (const [name, value] of Object.entries(changes)) {
      copy.words[INDEX[name as RegisterName]] = BigInt.asUintN(64, value);
    }
    return copy;
  }

  /** The bytes that PTRACE_SETREGS takes. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer);
  }
}

const SYSCALL_LENGTH = 2n;
/** What the kernel has in rax, where a program never sees it, while a call waits to be made again (linux/errno.h). */
export const ERESTARTSYS = -512n;
const ERESTARTNOINTR = -513n;
export const ERESTARTNOHAND = -514n;
const ERESTART_RESTARTBLOCK = -516n;

/** The registers, back at the syscall instruction with `number` to be called. */
function rewound(registers: Registers, number: bigint): Registers {
  return registers.with({ rax: number, rip: registers.get("rip") - SYSCALL_LENGTH });
}

/**
 * The registers as the kernel sets them when a thread that was interrupted in a system call goes on. A call
 * that keeps a restart block (nanosleep, poll, a timed futex) has its own way of going on, `withBlock`.
 */
export function settleSystemCall(
  registers: Registers,
  withBlock: (registers: Registers) => Registers,
): Registers {
  if (BigInt.asIntN(64, registers.get("orig_rax")) < 0n) return registers;
  switch (BigInt.asIntN(64, registers.get("rax"))) {
    case ERESTARTSYS:
    case ERESTARTNOINTR:
    case ERESTARTNOHAND:
      return rewound(registers, registers.get("orig_rax"));
    case ERESTART_RESTARTBLOCK:
      return withBlock(registers);
    default:
      return registers;
  }
}

/** As the thread itself goes on, in which the restart block is still there. */
export function settleInPlace(registers: Registers): Registers {
  return settleSystemCall(registers, (blocked) => rewound(blocked, BigInt(SYS.restart_syscall)));
}
