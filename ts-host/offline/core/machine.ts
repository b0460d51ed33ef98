/** What a core dump holds of a thread, by machine: its registers as the kernel lays them out. */
import { UnsupportedError } from "../../errors.ts";
import type { CoreEntry, ThreadInfoAarch64, ThreadInfoX86 } from "../../generated/messages.ts";
import { EM_AARCH64, EM_X86_64, NT_ARM_TLS, NT_PRFPREG, NT_X86_XSTATE } from "../../kernel/abi/elf.ts";
import { userRegs } from "../../kernel/abi/ptrace.ts";
import { fpregsToCoreXsave, LEGACY_AREA_SIZE } from "../../kernel/abi/xsave.ts";
import type { Note } from "./notes.ts";

export interface ThreadState {
  /** `e_machine` of the file. */
  machine: number;
  /** `pr_reg` of NT_PRSTATUS. */
  registers: Uint8Array;
  /** Notes of the thread other than NT_PRSTATUS. */
  notes: Note[];
}

export function stateOf(core: CoreEntry): ThreadState {
  if (core.thread_info) return x86(core.thread_info);
  if (core.ti_aarch64) return aarch64(core.ti_aarch64);
  throw new UnsupportedError("core dumps of machines other than x86-64 and aarch64: not supported yet");
}

function x86({ gpregs, fpregs }: ThreadInfoX86): ThreadState {
  const area = fpregsToCoreXsave(fpregs);
  const notes: Note[] = [{ owner: "CORE", type: NT_PRFPREG, content: area.slice(0, LEGACY_AREA_SIZE) }];
  if (fpregs.xsave) notes.push({ owner: "LINUX", type: NT_X86_XSTATE, content: area });
  return { machine: EM_X86_64, registers: userRegs.pack(gpregs), notes };
}

/** Words of `user_pt_regs`: x0 to x30, sp, pc, pstate. */
const GENERAL_WORDS = 31;
const VECTOR_WORDS = 64;
/** `user_fpsimd_state`: the vectors, then fpsr, fpcr and two reserved words. */
const FPSIMD_SIZE = VECTOR_WORDS * 8 + 16;

function aarch64({ gpregs, fpsimd, tls }: ThreadInfoAarch64): ThreadState {
  const general = [...Array.from({ length: GENERAL_WORDS }, (_, index) => gpregs.regs[index] ?? 0n)];
  const floating = new DataView(new ArrayBuffer(FPSIMD_SIZE));
  for (let index = 0; index < VECTOR_WORDS; index++) {
    floating.setBigUint64(index * 8, fpsimd.vregs[index] ?? 0n, true);
  }
  floating.setUint32(VECTOR_WORDS * 8, fpsimd.fpsr, true);
  floating.setUint32(VECTOR_WORDS * 8 + 4, fpsimd.fpcr, true);
  return {
    machine: EM_AARCH64,
    registers: words([...general, gpregs.sp, gpregs.pc, gpregs.pstate]),
    notes: [
      { owner: "CORE", type: NT_PRFPREG, content: new Uint8Array(floating.buffer) },
      { owner: "LINUX", type: NT_ARM_TLS, content: words([tls]) },
    ],
  };
}

/** 64-bit words, little-endian. */
export function words(values: readonly bigint[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  for (const [index, value] of values.entries()) view.setBigUint64(index * 8, value, true);
  return new Uint8Array(view.buffer);
}
