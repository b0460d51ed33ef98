/**
 * A list of system calls to be made inside a target: grammar, encoder, printer. shim/README.md has the ABI.
 *
 *   const batch = new Batch();
 *   const old = batch.room(32);
 *   const fd = batch.call("openat", [AT_FDCWD, batch.text("/etc/motd"), 0, 0]);
 *   batch.call("fstat", [fd, old]);            // an earlier result as an argument
 *   remote.run(batch);                         // then fd.result, old.bytes
 */
import { CriuWasmError } from "../errors.ts";
import { SYS, type SyscallName } from "../kernel/syscalls.ts";

/** The same numbers as in shim/arena.h. */
export const HEADER_SIZE = 256;
export const HEADER = { DONE: 0, MASK: 8, REGISTERS: 16, END_MASK: 232 } as const;
export const OP_SIZE = 64;
export const OP = { NR: 0, FLAGS: 4, KINDS: 6, ARGS: 8, RET: 56 } as const;
/** Bytes at which a batch is full: half an arena, so that there is room for one more of anything. */
const FULL_SIZE = 256 * 1024;
const MAY_FAIL = 1;
const CHILD_ENDS = 2;
export const IMMEDIATE = 0;
export const LOAD32 = 1;
export const LOAD64 = 2;
const ARGS_PER_OP = 6;

/** Calls after which the blob does not go on as itself: only the last op of a batch may be one. */
const LAST_ONLY = new Set<SyscallName>([
  "clone",
  "fork",
  "vfork",
  "clone3",
  "execve",
  "execveat",
  "exit",
  "exit_group",
]);
/** Calls that would overwrite the restart block of the call that the target was interrupted in. */
const NEVER = new Set<SyscallName>([
  "nanosleep",
  "clock_nanosleep",
  "poll",
  "futex",
  "restart_syscall",
  "rt_sigreturn",
]);

function opOffset(index: number): number {
  return HEADER_SIZE + index * OP_SIZE;
}

function resultOffset(index: number): number {
  return opOffset(index) + OP.RET;
}

/** Bytes in the arena that calls read or write. */
export class Data {
  /** After the run: what the calls left here. */
  bytes: Buffer;
  /** Offset from the start of the batch's data, filled in by `Batch`. */
  readonly offset: number;

  constructor(offset: number, bytes: Buffer) {
    this.offset = offset;
    this.bytes = bytes;
  }

  /** The 32-bit word at `offset`, as it will be when a later op uses it: an fd that pipe2 returned, say. */
  word32(offset = 0): LoadedWord {
    return { data: this, offset };
  }

  /** The address `offset` bytes into this data. */
  at(offset: number): DataAddress {
    return { inside: this, by: offset };
  }
}

interface LoadedWord {
  data: Data;
  offset: number;
}

interface DataAddress {
  inside: Data;
  by: number;
}

export type BatchArg = number | bigint | Op | Data | LoadedWord | DataAddress;

/** One system call of a batch. */
export class Op {
  readonly name: SyscallName;
  readonly args: readonly BatchArg[];
  readonly mayFail: boolean;
  /** After the run: what the kernel returned, -errno for a call that may fail. */
  ret: bigint | undefined;
  readonly index: number;
  /** The kind that asked for it. */
  readonly kind: string | undefined;

  constructor(
    name: SyscallName,
    args: readonly BatchArg[],
    mayFail: boolean,
    index: number,
    kind: string | undefined,
  ) {
    this.name = name;
    this.args = args;
    this.mayFail = mayFail;
    this.index = index;
    this.kind = kind;
  }

  /** The result as a number; calls that return addresses are read with `ret`. */
  get result(): number {
    if (this.ret === undefined) throw new CriuWasmError(`internal: ${this.name} was not run yet`);
    return Number(this.ret);
  }

  get failed(): boolean {
    return this.result < 0 && this.result >= -4095;
  }
}

export interface CallOptions {
  /** The batch goes on when this call fails; its result is then -errno. */
  mayFail?: boolean;
  /** This clone's child starts stopped under its tracer, so that more ops may follow it. It ends if that dies. */
  childStopped?: boolean;
}

export class Batch {
  readonly ops: Op[] = [];
  readonly data: Data[] = [];
  /** The kind that the calls from now on are made for, named when one fails. */
  kind: string | undefined;
  private readonly childrenStopped = new Set<Op>();
  private readonly pointers: { holder: Data; offset: number; target: Data }[] = [];
  private dataSize = 0;

  /** Appends a system call. */
  call(name: SyscallName, args: readonly BatchArg[] = [], options: CallOptions = {}): Op {
    if (NEVER.has(name)) throw new CriuWasmError(`internal: ${name} must not be called inside a target`);
    const last = this.ops.at(-1);
    if (last && LAST_ONLY.has(last.name) && !this.childrenStopped.has(last)) {
      throw new CriuWasmError(`internal: ${last.name} ends a batch, ${name} cannot follow it`);
    }
    if (args.length > ARGS_PER_OP || args.some((arg) => arg instanceof Op && this.ops[arg.index] !== arg)) {
      throw new CriuWasmError(`internal: ${name} has arguments that its batch cannot give it`);
    }
    const op = new Op(name, args, options.mayFail ?? false, this.ops.length, this.kind);
    if (options.childStopped) this.childrenStopped.add(op);
    this.ops.push(op);
    return op;
  }

  /** Bytes that the calls find in the arena, at an address that is a multiple of 16. */
  bytes(content: Uint8Array): Data {
    const data = new Data(this.dataSize, Buffer.from(content));
    this.dataSize += (content.length + 15) & ~15;
    this.data.push(data);
    return data;
  }

  /** Zeroed room for an answer. */
  room(size: number): Data {
    return this.bytes(Buffer.alloc(size));
  }

  /** A NUL-terminated string; a Buffer for a path that may not be UTF-8. */
  text(content: string | Uint8Array): Data {
    return this.bytes(
      Buffer.concat([typeof content === "string" ? Buffer.from(content) : content, Buffer.alloc(1)]),
    );
  }

  /** Has the word at `offset` of `holder` point to `target` when the batch runs. */
  pointer(holder: Data, offset: number, target: Data): void {
    this.pointers.push({ holder, offset, target });
  }

  /** Bytes of arena that the batch takes. */
  get size(): number {
    return opOffset(this.ops.length) + this.dataSize;
  }

  /** Whether it is time to run it and to begin another one. */
  get isFull(): boolean {
    return this.size >= FULL_SIZE;
  }

  /** Header, ops and data as they stand in the arena at `base`. */
  encode(base: bigint): Buffer {
    const image = Buffer.alloc(this.size);
    for (const op of this.ops) {
      const at = opOffset(op.index);
      image.writeUInt32LE(SYS[op.name], at + OP.NR);
      const childEnds = this.childrenStopped.has(op) ? CHILD_ENDS : 0;
      image.writeUInt16LE((op.mayFail ? MAY_FAIL : 0) | childEnds, at + OP.FLAGS);
      let kinds = 0;
      op.args.forEach((arg, index) => {
        const [kind, value] = this.encodeArg(arg, base);
        kinds |= kind << (2 * index);
        image.writeBigUInt64LE(BigInt.asUintN(64, value), at + OP.ARGS + 8 * index);
      });
      image.writeUInt16LE(kinds, at + OP.KINDS);
    }
    for (const data of this.data) data.bytes.copy(image, this.dataOffset(data));
    for (const { holder, offset, target } of this.pointers) {
      image.writeBigUInt64LE(base + BigInt(this.dataOffset(target)), this.dataOffset(holder) + offset);
    }
    return image;
  }

  /** Takes the results of the first `done` ops out of the arena's bytes. */
  decodeResults(image: Buffer, done: number): void {
    for (const op of this.ops.slice(0, done)) op.ret = image.readBigInt64LE(resultOffset(op.index));
  }

  /** Takes data out of the arena's bytes. */
  decodeData(image: Buffer): void {
    for (const data of this.data) {
      const at = this.dataOffset(data);
      data.bytes = Buffer.from(image.subarray(at, at + data.bytes.length));
    }
  }

  /** The op as strace prints it, its result left out: `op 7/31 timer_gettime(3, arena+0x240)`. */
  print(op: Op): string {
    const args = op.args.map((arg) => {
      if (arg instanceof Op) return arg.ret === undefined ? `result of op ${arg.index + 1}` : String(arg.ret);
      if (arg instanceof Data) return this.printAddress(arg, 0);
      if (typeof arg === "object" && "inside" in arg) return this.printAddress(arg.inside, arg.by);
      if (typeof arg === "object") return `[${this.printAddress(arg.data, arg.offset)}]`;
      return arg > 0xffff ? `0x${arg.toString(16)}` : String(arg);
    });
    return `op ${op.index + 1}/${this.ops.length} ${op.name}(${args.join(", ")})`;
  }

  private printAddress(data: Data, by: number): string {
    return `arena+0x${(this.dataOffset(data) + by).toString(16)}`;
  }

  /** Whether a call takes away or moves memory of `range`. */
  unmaps(range: { start: bigint; end: bigint }): boolean {
    return this.ops.some(({ name, args: [start, size] }) => {
      if (name !== "munmap" && name !== "mremap") return false;
      if (typeof start === "object" || typeof size === "object") return false;
      const from = BigInt(start ?? 0);
      return from < range.end && from + BigInt(size ?? 0) > range.start;
    });
  }

  private dataOffset(data: Data): number {
    return opOffset(this.ops.length) + data.offset;
  }

  private encodeArg(arg: BatchArg, base: bigint): [number, bigint] {
    if (arg instanceof Op) return [LOAD64, BigInt(resultOffset(arg.index))];
    if (arg instanceof Data) return [IMMEDIATE, base + BigInt(this.dataOffset(arg))];
    if (typeof arg === "object" && "inside" in arg) {
      return [IMMEDIATE, base + BigInt(this.dataOffset(arg.inside) + arg.by)];
    }
    if (typeof arg === "object") return [LOAD32, BigInt(this.dataOffset(arg.data) + arg.offset)];
    return [IMMEDIATE, BigInt(arg)];
  }
}
