/** What is known of a task that is being dumped, and the parts of its images as kinds fill them in. */
import { CriuWasmError } from "../errors.ts";
import type {
  CriuWasmTask,
  CriuWasmThread,
  ImageKind,
  MessageOf,
  MmEntry,
  TaskCoreEntry,
  ThreadCoreEntry,
  ThreadInfoX86,
} from "../generated/messages.ts";
import type { CheckpointWriter, ImageName, ImageRecord } from "../images/checkpoint.ts";
import type { ProcStatus } from "../kernel/proc/status.ts";
import { ProcPid } from "../kernel/process.ts";
import type { FrozenProcess } from "../remote/frozen.ts";
import type { Remote } from "../remote/remote.ts";
import type { Tracee } from "../remote/tracee.ts";
import type { Aftermath } from "./aftermath.ts";
import type { FileTable } from "./file-table.ts";

/** Options of a dump, as `criu-wasm dump --help` describes them. */
export interface DumpOptions {
  leaveRunning: boolean;
  leaveStopped: boolean;
  shellJob: boolean;
  /** Largest unlinked file that is put into the images whole, in bytes. */
  ghostLimit: bigint;
  /** A file whose name is gone, but that has another one, may be given one more in the file system. */
  linkRemap: boolean;
  /** Longest that freezing may take, in µs. */
  timeoutUs: number;
}

const keyOf = (name: ImageName) => `${name.kind}/${name.id ?? ""}`;

/** Image files under construction: kinds append records, the engine writes each file once. */
export class DraftImages {
  private readonly files = new Map<string, { name: ImageName; records: ImageRecord[] }>();

  append<K extends ImageKind>(name: ImageName<K>, ...records: ImageRecord<K>[]): void {
    const key = keyOf(name);
    let file = this.files.get(key);
    if (!file) {
      file = { name, records: [] };
      this.files.set(key, file);
    }
    file.records.push(...records);
  }

  /** The message of a file that has one record only, made by the first who asks. */
  single<K extends ImageKind>(name: ImageName<K>, make: () => MessageOf<K>): MessageOf<K> {
    const file = this.files.get(keyOf(name));
    if (!file) this.append(name, { message: make() } as ImageRecord<K>);
    return this.files.get(keyOf(name))!.records[0]!.message as MessageOf<K>;
  }

  writeTo(writer: CheckpointWriter): void {
    for (const { name, records } of this.files.values()) writer.image(name, records);
  }
}

export interface DumpContext {
  readonly options: DumpOptions;
  readonly images: DraftImages;
  readonly files: FileTable;
  /** Takes streams of pages; absent in the rehearsal. */
  readonly writer?: CheckpointWriter;
  readonly aftermath: Aftermath;
  readonly warn: (message: string) => void;
}

export class DumpThread {
  readonly tid: number;
  readonly task: DumpTask;
  readonly proc: ProcPid;
  readonly core: Partial<ThreadCoreEntry> = {};
  readonly info: Partial<ThreadInfoX86> = {};
  private knownStatus: ProcStatus | undefined;

  constructor(task: DumpTask, tid: number) {
    this.task = task;
    this.tid = tid;
    this.proc = new ProcPid(task.pid, tid);
  }

  get isLeader(): boolean {
    return this.tid === this.task.pid;
  }

  /** /proc/PID/task/TID/status, read once. */
  get status(): ProcStatus {
    this.knownStatus ??= this.task.frozen?.statuses.get(this.tid) ?? this.proc.status();
    return this.knownStatus;
  }

  /** What CRIU's message has no field for; written only where something is put into it. */
  get extension(): CriuWasmThread {
    this.core.criu_wasm ??= {};
    return this.core.criu_wasm;
  }

  /** The stopped thread; only what runs after the freeze may use it. */
  get tracee(): Tracee {
    const tracee = this.task.frozen?.threads.get(this.tid);
    if (!tracee) throw new CriuWasmError("internal: the thread is not frozen yet", { tid: this.tid });
    return tracee;
  }

  /** Makes calls in the stopped thread: for those whose number is not known before the freeze. */
  get remote(): Remote {
    if (!this.task.frozen)
      throw new CriuWasmError("internal: the thread is not frozen yet", { tid: this.tid });
    return this.task.frozen.remote(this.tid);
  }
}

export class DumpTask {
  readonly pid: number;
  readonly proc: ProcPid;
  readonly comm: string;
  readonly pgid: number;
  readonly sid: number;
  readonly context: DumpContext;
  readonly frozen: FrozenProcess | undefined;
  /** The leader first, then by tid. */
  readonly threads: readonly DumpThread[];
  readonly core: Partial<TaskCoreEntry> = { sigactions: [] };
  readonly pageCounts = { pagesScanned: 0, pagesWritten: 0, sharedPagesScanned: 0, sharedPagesWritten: 0 };
  readonly mm: Partial<MmEntry> = { aios: [], mm_saved_auxv: [], vmas: [] };

  constructor(pid: number, context: DumpContext, frozen?: FrozenProcess) {
    this.pid = pid;
    this.context = context;
    this.frozen = frozen;
    this.proc = new ProcPid(pid);
    this.comm = this.proc.comm().toString();
    const { pgid, sid } = this.proc.stat();
    this.pgid = pgid;
    this.sid = sid;
    const tids = frozen ? [...frozen.threads.keys()] : this.proc.threads();
    const others = tids.filter((tid) => tid !== pid).sort((a, b) => a - b);
    this.threads = [pid, ...others].map((tid) => new DumpThread(this, tid));
  }

  get leader(): DumpThread {
    return this.threads[0]!;
  }

  /** What CRIU's message has no field for; written only where something is put into it. */
  get extension(): CriuWasmTask {
    this.core.criu_wasm ??= {};
    return this.core.criu_wasm;
  }

  get options(): DumpOptions {
    return this.context.options;
  }

  get images(): DraftImages {
    return this.context.images;
  }

  get files(): FileTable {
    return this.context.files;
  }
}
