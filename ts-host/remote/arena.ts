/** The one mapping that a target is lent: `code (RX) | room | header | ops[] | data[]`. shim/README.md has the ABI. */
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
import { type Batch, HEADER_SIZE } from "./batch.ts";
import { readMemory, writeByForce, writeMemory } from "./memory.ts";
import { callByStep, type StepRemote } from "./step.ts";

const CODE_SIZE = 4096;
/** Of the header, from the start of the mapping. The room before it is for the frames of signals: see blob.S. */
export const BASE_OFFSET = 0x8000;
export const ARENA_SIZE = 512 * 1024;
/** Bytes that a batch may take. */
export const BATCH_ROOM = ARENA_SIZE - BASE_OFFSET;

export class Arena {
  readonly pid: number;
  /** Start of the mapping: the blob. */
  readonly code: bigint;
  /** Where in the blob a thread stands when its batch is done. */
  readonly end: bigint;

  private constructor(pid: number, code: bigint, standsAt: number) {
    this.pid = pid;
    this.code = code;
    this.end = code + BigInt(standsAt);
  }

  /** Where headers, and so batches, begin. */
  get base(): bigint {
    return this.code + BigInt(BASE_OFFSET);
  }

  get range(): { start: bigint; end: bigint } {
    return { start: this.code, end: this.code + BigInt(ARENA_SIZE) };
  }

  /** Maps an arena in the stopped task, at `address` where one is given. */
  static map(step: StepRemote, address?: bigint): Arena {
    const pid = step.tracee.tid;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | (address === undefined ? 0 : MAP_FIXED_NOREPLACE);
    // Executable from the start: a task may have forbidden itself to make memory so later (PR_SET_MDWE).
    const code = callByStep(step, "mmap", address ?? 0n, ARENA_SIZE, PROT_READ | PROT_EXEC, flags, -1, 0);
    const blob = batchBlob();
    const arena = new Arena(pid, code, blob.standsAt);
    try {
      const rest = code + BigInt(CODE_SIZE);
      callByStep(step, "mprotect", rest, ARENA_SIZE - CODE_SIZE, PROT_READ | PROT_WRITE);
      writeByForce(pid, code, blob.code);
    } catch (error) {
      arena.unmap(step);
      throw error;
    }
    return arena;
  }

  unmap(step: StepRemote): void {
    callByStep(step, "munmap", this.code, ARENA_SIZE);
  }

  /** Puts an encoded batch in place, and returns it. `fillHeader` adds what the blob wants to know. */
  write(batch: Batch, fillHeader?: (header: Buffer) => void): Buffer {
    if (batch.size > BATCH_ROOM) throw new CriuWasmError("internal: a batch is larger than its arena");
    if (batch.unmaps(this.range)) {
      throw new CriuWasmError("internal: a batch takes away the arena that it is in");
    }
    const image = batch.encode(this.base);
    fillHeader?.(image.subarray(0, HEADER_SIZE));
    writeMemory(this.pid, this.base, image);
    return image;
  }

  /** Reads back a batch that was run. */
  read(image: Buffer): void {
    readMemory(this.pid, this.base, image);
  }
}
