/** The one mapping that a target is lent: `code (RX) | header | ops[] | data[]`. */
import { CriuWasmError } from "../errors.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../kernel/abi/mman.ts";
import { batchBlob } from "../native/ffi.ts";
import type { Batch } from "./batch.ts";
import { writeByForce, writeMemory } from "./memory.ts";
import { callByStep, type StepRemote } from "./remote.ts";

const CODE_SIZE = 4096;
export const ARENA_SIZE = 512 * 1024;
/** Bytes that a batch may take. */
export const BATCH_ROOM = ARENA_SIZE - CODE_SIZE;

export class Arena {
  readonly pid: number;
  /** Start of the mapping: the blob. */
  readonly code: bigint;

  private constructor(pid: number, code: bigint) {
    this.pid = pid;
    this.code = code;
  }

  /** Where headers, and so batches, begin. */
  get base(): bigint {
    return this.code + BigInt(CODE_SIZE);
  }

  get range(): { start: bigint; end: bigint } {
    return { start: this.code, end: this.code + BigInt(ARENA_SIZE) };
  }

  /** Maps an arena in the stopped task, at `address` where one is given. */
  static map(step: StepRemote, address?: bigint): Arena {
    const pid = step.tracee.tid;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | (address === undefined ? 0 : MAP_FIXED_NOREPLACE);
    const code = callByStep(step, "mmap", address ?? 0n, ARENA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    const arena = new Arena(pid, code);
    try {
      writeByForce(pid, code, batchBlob());
      callByStep(step, "mprotect", code, CODE_SIZE, PROT_READ | PROT_EXEC);
    } catch (error) {
      arena.unmap(step);
      throw error;
    }
    return arena;
  }

  unmap(step: StepRemote): void {
    callByStep(step, "munmap", this.code, ARENA_SIZE);
  }

  /** Puts an encoded batch in place. */
  write(batch: Batch): void {
    if (batch.size > BATCH_ROOM) throw new CriuWasmError("internal: a batch is larger than its arena");
    writeMemory(this.pid, this.base, batch.encode(this.base));
  }
}
