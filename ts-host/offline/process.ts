/** A process of a checkpoint, and its threads: what the images say of them, read when it is asked for. */
import { ImageError } from "../errors.ts";
import {
  type CoreEntry,
  CoreEntryMarch,
  type FileEntry,
  type FsEntry,
  type ImageKind,
  type MessageOf,
  type MmEntry,
  type PstreeEntry,
  type TaskKobjIdsEntry,
} from "../generated/messages.ts";
import type { ImageName } from "../images/checkpoint.ts";
import { text } from "../images/json/to-json.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { describeFile, typeName } from "./describe-file.ts";
import { fileOf } from "./files.ts";
import { Mapping } from "./mapping.ts";
import { Memory } from "./memory.ts";

const FD_CLOEXEC = 1;
/** CRIU keeps a zombie as "dead"; it names another number for zombies, which it does not use. */
const STATES: Record<number, ProcessState> = { 1: "running", 2: "zombie", 3: "stopped", 6: "zombie" };

export type ProcessState = "running" | "stopped" | "zombie" | "unknown";

/** An open file descriptor. */
export interface Descriptor {
  fd: number;
  closeOnExec: boolean;
  /** "REG", "PIPE", "INETSK" … */
  type: string;
  /** One line for people. */
  text: string;
  /** What is open; descriptors with the same `file.id` share offset and flags. */
  file: FileEntry;
}

/** A register: its name as debuggers have it, its value. */
export type Register = readonly [name: string, value: bigint];

export class Thread {
  readonly tid: number;
  readonly core: CoreEntry;

  constructor(tid: number, core: CoreEntry) {
    this.tid = tid;
    this.core = core;
  }

  /** "X86_64", "AARCH64" … */
  get architecture(): string {
    const names = Object.entries(CoreEntryMarch);
    return names.find(([, value]) => value === this.core.mtype)?.[0] ?? `machine ${this.core.mtype}`;
  }

  /** The name of the thread; "" where the image has none, as old ones. */
  get name(): string {
    const comm = this.core.thread_core?.comm ?? this.core.tc?.comm;
    return comm === undefined ? "" : text(comm);
  }

  /** General registers; none for a zombie, and for machines other than x86-64 and aarch64. */
  get registers(): Register[] {
    const { thread_info, ti_aarch64 } = this.core;
    if (thread_info) {
      const entries = Object.entries(thread_info.gpregs);
      return entries.filter((entry): entry is [string, bigint] => typeof entry[1] === "bigint");
    }
    if (ti_aarch64 === undefined) return [];
    const { regs, sp, pc, pstate } = ti_aarch64.gpregs;
    const numbered = regs.map((value, index): Register => [`x${index}`, value]);
    return [...numbered, ["sp", sp], ["pc", pc], ["pstate", pstate]];
  }

  /** Where it would go on. */
  get instructionPointer(): bigint | undefined {
    return this.core.thread_info?.gpregs.ip ?? this.core.ti_aarch64?.gpregs.pc;
  }

  get stackPointer(): bigint | undefined {
    return this.core.thread_info?.gpregs.sp ?? this.core.ti_aarch64?.gpregs.sp;
  }
}

export class Process {
  /** Its line in the process tree. */
  readonly entry: PstreeEntry;
  readonly memory: Memory;
  readonly #checkpoint: Checkpoint;
  #core: CoreEntry | undefined;
  #mm: MmEntry | undefined;
  #fs: FsEntry | undefined;
  #mappings: readonly Mapping[] | undefined;

  constructor(entry: PstreeEntry, checkpoint: Checkpoint) {
    this.entry = entry;
    this.#checkpoint = checkpoint;
    this.memory = new Memory(this, checkpoint);
  }

  get pid(): number {
    return this.entry.pid;
  }

  /** 0 for the root of the tree. */
  get parentPid(): number {
    return this.entry.ppid;
  }

  /** Ids of its threads, the leader first; only the leader for a zombie. */
  get tids(): number[] {
    return [this.pid, ...this.entry.threads.filter((tid) => tid !== this.pid && tid !== 0)];
  }

  /** The image of the process and its leading thread. */
  get core(): CoreEntry {
    this.#core ??= this.#coreOf(this.pid);
    return this.#core;
  }

  #coreOf(tid: number): CoreEntry {
    const [record] = this.#checkpoint.read({ kind: "CORE", id: tid });
    if (record === undefined) throw new ImageError("no record", { file: `core-${tid}.img` });
    return record.message;
  }

  thread(tid: number): Thread {
    return new Thread(tid, tid === this.pid ? this.core : this.#coreOf(tid));
  }

  get threads(): Thread[] {
    return this.tids.map((tid) => this.thread(tid));
  }

  /** Its name, as in /proc/PID/comm. */
  get name(): string {
    return this.core.tc === undefined ? "" : text(this.core.tc.comm);
  }

  get state(): ProcessState {
    return STATES[this.core.tc?.task_state ?? 0] ?? "unknown";
  }

  /** A process that has ended and waits for its parent has neither memory nor files. */
  get hasResources(): boolean {
    return this.#checkpoint.has({ kind: "MM", id: this.pid });
  }

  /** Ids of what it may share with others; undefined for a zombie. */
  get ids(): TaskKobjIdsEntry | undefined {
    const name = { kind: "IDS", id: this.pid } as const;
    return this.#checkpoint.has(name) ? this.#firstOf(name) : this.core.ids;
  }

  /** Undefined for a zombie. */
  get mm(): MmEntry | undefined {
    this.#mm ??= this.#firstOf({ kind: "MM", id: this.pid });
    return this.#mm;
  }

  #firstOf<K extends ImageKind>(name: ImageName<K>): MessageOf<K> | undefined {
    return this.#checkpoint.has(name) ? this.#checkpoint.read(name)[0]?.message : undefined;
  }

  /** In order of address, as the image has them; ranges of guard pages, which lie in others, come last. */
  get mappings(): readonly Mapping[] {
    this.#mappings ??= this.#readMappings();
    return this.#mappings;
  }

  #readMappings(): Mapping[] {
    const { mm } = this;
    if (mm === undefined) return [];
    const name = { kind: "VMAS", id: this.pid } as const;
    const separate = this.#checkpoint.has(name) ? this.#checkpoint.read(name) : [];
    const entries = [...mm.vmas, ...separate.map(({ message }) => message)];
    return entries.map((entry) => new Mapping(entry, this.#checkpoint.files, mm.mm_start_stack));
  }

  mappingAt(address: bigint): Mapping | undefined {
    return this.mappings.find((mapping) => mapping.kind !== "guard" && mapping.contains(address));
  }

  /** Number of the image of its descriptors; undefined for a zombie. */
  get descriptorsId(): number | undefined {
    return this.#checkpoint.inventory.fdinfo_per_id ? this.ids?.files_id : this.pid;
  }

  /** By number. @throws ImageError where one refers to a file that is not there */
  get descriptors(): Descriptor[] {
    const id = this.descriptorsId;
    if (id === undefined || !this.#checkpoint.has({ kind: "FDINFO", id })) return [];
    const records = this.#checkpoint.read({ kind: "FDINFO", id });
    return records.map(({ message: { fd, flags, type, id } }) => {
      const file = fileOf(this.#checkpoint.files, id);
      return {
        fd,
        closeOnExec: (flags & FD_CLOEXEC) !== 0,
        type: typeName(type),
        text: describeFile(file),
        file,
      };
    });
  }

  /** Root, working directory and umask; undefined for a zombie. */
  get fs(): FsEntry | undefined {
    this.#fs ??= this.#firstOf({ kind: "FS", id: this.pid });
    return this.#fs;
  }

  get workingDirectory(): string {
    return this.fs === undefined ? "" : describeFile(fileOf(this.#checkpoint.files, this.fs.cwd_id));
  }

  get root(): string {
    return this.fs === undefined ? "" : describeFile(fileOf(this.#checkpoint.files, this.fs.root_id));
  }

  /** Path of the program it runs. */
  get executable(): string {
    const { mm } = this;
    return mm === undefined ? "" : describeFile(fileOf(this.#checkpoint.files, mm.exe_file_id));
  }

  /** The arguments, as far as their memory is in the images. */
  get arguments(): string[] {
    const { mm } = this;
    return mm === undefined ? [] : this.#strings(mm.mm_arg_start, mm.mm_arg_end);
  }

  /** The environment it was started with: `NAME=value`. */
  get environment(): string[] {
    const { mm } = this;
    return mm === undefined ? [] : this.#strings(mm.mm_env_start, mm.mm_env_end);
  }

  /** Strings that end with a zero byte; none where the memory is not there. */
  #strings(start: bigint, end: bigint): string[] {
    const length = end - start;
    if (length <= 0n || length > MAX_STRINGS) return [];
    try {
      const bytes = this.memory.read(start, Number(length));
      const strings = text(bytes).split("\0");
      return strings.at(-1) === "" ? strings.slice(0, -1) : strings;
    } catch (error) {
      if (error instanceof ImageError) return [];
      throw error;
    }
  }
}

/** Most bytes of arguments or environment that are read; the kernel's own limit is 6 MiB. */
const MAX_STRINGS = 8n << 20n;
