/**
 * Restartable sequences. A thread that is stopped inside a critical section must not go on in it: the first
 * resume at another address makes the kernel forget the section, which would then commit although it was
 * interrupted. So such a thread is sent to the section's abort address, as the kernel itself would do.
 */
import { PTRACE_GET_RSEQ_CONFIGURATION } from "../kernel/abi/ptrace.ts";
import { callOnTask } from "../native/calls.ts";
import { readMemory } from "./memory.ts";
import type { Tracee } from "./tracee.ts";

/** struct ptrace_rseq_configuration. */
export interface RseqRegistration {
  /** Address of struct rseq; 0 where none is registered. */
  address: bigint;
  size: number;
  signature: number;
  /** What struct rseq's rseq_cs field holds: address of the section's descriptor, or 0. */
  section: bigint;
}

/** Offset of rseq_cs in struct rseq. */
const RSEQ_CS = 8n;

export function rseqRegistration(tracee: Tracee): RseqRegistration {
  const configuration = Buffer.alloc(64);
  callOnTask(tracee.tid, "ptrace", PTRACE_GET_RSEQ_CONFIGURATION, tracee.tid, 24, configuration);
  const address = configuration.readBigUInt64LE(0);
  const word = Buffer.alloc(8);
  if (address !== 0n) readMemory(tracee.tid, address + RSEQ_CS, word);
  return {
    address,
    size: configuration.readUInt32LE(8),
    signature: configuration.readUInt32LE(12),
    section: word.readBigUInt64LE(0),
  };
}

export function settleRseq(tracee: Tracee): void {
  const { section } = rseqRegistration(tracee);
  if (section === 0n) return;
  // struct rseq_cs: u32 version, u32 flags, u64 start_ip, post_commit_offset, abort_ip
  const descriptor = Buffer.alloc(32);
  readMemory(tracee.tid, section, descriptor);
  const start = descriptor.readBigUInt64LE(8);
  const length = descriptor.readBigUInt64LE(16);
  const registers = tracee.getRegisters();
  if (registers.get("rip") - start >= 0n && registers.get("rip") - start < length) {
    tracee.setRegisters(registers.with({ rip: descriptor.readBigUInt64LE(24) }));
  }
}
