/** The vDSO of a process: where it is, and the one thing a step needs of it, a syscall instruction. */
import { UnsupportedError } from "../errors.ts";
import { PROT_EXEC } from "../kernel/abi/mman.ts";
import { ProcPid } from "../kernel/process.ts";
import { readByForce } from "./memory.ts";

const SYSCALL_INSTRUCTION = Buffer.from([0x0f, 0x05]);

/** Address of a syscall instruction in an executable mapping, the vDSO's by preference. */
export function findSyscallInstruction(pid: number): bigint {
  const executable = new ProcPid(pid)
    .maps()
    .filter((vma) => vma.prot & PROT_EXEC && vma.path.toString() !== "[vsyscall]");
  executable.sort((a, b) => Number(b.path.toString() === "[vdso]") - Number(a.path.toString() === "[vdso]"));
  for (const vma of executable) {
    const text = Buffer.alloc(Math.min(Number(vma.end - vma.start), 4 << 20));
    readByForce(pid, vma.start, text);
    const at = text.indexOf(SYSCALL_INSTRUCTION);
    if (at >= 0) return vma.start + BigInt(at);
  }
  throw new UnsupportedError("has no syscall instruction in any of its executable mappings", { pid });
}
