/** General-purpose registers of a stopped task: struct user_regs_struct, 27 words of 64 bits. */

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
