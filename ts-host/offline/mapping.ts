/** A memory mapping of a process, as its mm image describes it. */
import type { FileEntry, VmaEntry } from "../generated/messages.ts";
import {
  is,
  VMA_AIORING,
  VMA_ANON_SHARED,
  VMA_FILE_PRIVATE,
  VMA_FILE_SHARED,
  VMA_GUARD,
  VMA_HEAP,
  VMA_MEMFD,
  VMA_SHADOW_STACK,
  VMA_SOCKET,
  VMA_STACK,
  VMA_SYSVIPC,
  VMA_VDSO,
  VMA_VSYSCALL,
  VMA_VVAR,
} from "../kinds/memory/vma.ts";
import { describeFile } from "./describe-file.ts";

/** What a mapping is of. */
export type MappingKind =
  | "anonymous"
  | "heap"
  | "stack"
  | "file"
  | "shared"
  | "memfd"
  | "sysv"
  | "socket"
  | "aio"
  | "vdso"
  | "vvar"
  | "vsyscall"
  | "shadow-stack"
  | "guard";

export const MAPPING_KINDS: readonly MappingKind[] = [
  "anonymous",
  "heap",
  "stack",
  "file",
  "shared",
  "memfd",
  "sysv",
  "socket",
  "aio",
  "vdso",
  "vvar",
  "vsyscall",
  "shadow-stack",
  "guard",
];

/** By the bit of the image; the first that is set counts. */
const BY_STATUS: [number, MappingKind][] = [
  [VMA_GUARD, "guard"],
  [VMA_VDSO, "vdso"],
  [VMA_VVAR, "vvar"],
  [VMA_VSYSCALL, "vsyscall"],
  [VMA_SHADOW_STACK, "shadow-stack"],
  [VMA_STACK, "stack"],
  [VMA_HEAP, "heap"],
  [VMA_AIORING, "aio"],
  [VMA_SYSVIPC, "sysv"],
  [VMA_SOCKET, "socket"],
  [VMA_MEMFD, "memfd"],
  [VMA_ANON_SHARED, "shared"],
  [VMA_FILE_SHARED | VMA_FILE_PRIVATE, "file"],
];

const NAMES: Partial<Record<MappingKind, string>> = {
  heap: "[heap]",
  stack: "[stack]",
  vdso: "[vdso]",
  vvar: "[vvar]",
  vsyscall: "[vsyscall]",
  guard: "[guard]",
  shared: "[shared]",
  sysv: "[sysv]",
  aio: "[aio]",
};

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_SHARED = 1;

export class Mapping {
  /** The message itself. */
  readonly entry: VmaEntry;
  readonly kind: MappingKind;
  /** The file that is mapped; for memory that belongs to none, undefined. */
  readonly file: FileEntry | undefined;

  /** `stackPointer`: where the kernel had put the stack of the program, to know that mapping by. */
  constructor(entry: VmaEntry, files: ReadonlyMap<number, FileEntry>, stackPointer: bigint) {
    this.entry = entry;
    const kind = BY_STATUS.find(([status]) => is(entry, status))?.[1] ?? "anonymous";
    const holdsStack = entry.start <= stackPointer && stackPointer < entry.end;
    this.kind = kind === "anonymous" && holdsStack ? "stack" : kind;
    this.file = kind === "file" || kind === "memfd" ? files.get(Number(entry.shmid)) : undefined;
  }

  get start(): bigint {
    return this.entry.start;
  }

  /** The first address behind it. */
  get end(): bigint {
    return this.entry.end;
  }

  /** Bytes. */
  get size(): bigint {
    return this.end - this.start;
  }

  /** What may be done with it, as in /proc/PID/maps: `rw-p`. */
  get protection(): string {
    const { prot } = this.entry;
    const letters = [
      prot & PROT_READ ? "r" : "-",
      prot & PROT_WRITE ? "w" : "-",
      prot & PROT_EXEC ? "x" : "-",
      this.isShared ? "s" : "p",
    ];
    return letters.join("");
  }

  get isShared(): boolean {
    return (this.entry.flags & MAP_SHARED) !== 0;
  }

  /** A path, or what /proc/PID/maps has in brackets; "" for plain anonymous memory. */
  get name(): string {
    return this.file ? describeFile(this.file) : (NAMES[this.kind] ?? "");
  }

  contains(address: bigint): boolean {
    return this.start <= address && address < this.end;
  }
}
