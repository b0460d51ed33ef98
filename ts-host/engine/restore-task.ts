/** What is known of a task that is being restored. */
import { CriuWasmError, describe, type ErrorContext, HostMismatchError } from "../errors.ts";
import type {
  CoreEntry,
  FileEntry,
  MmEntry,
  PstreeEntry,
  TaskCoreEntry,
  ThreadCoreEntry,
  ThreadInfoX86,
} from "../generated/messages.ts";
import type { CheckpointReader } from "../images/checkpoint.ts";
import { mustHave, onlyMessage } from "../images/only-message.ts";
import type { Batch } from "../remote/batch.ts";
import { inBatches, type Remote } from "../remote/remote.ts";
import type { Tracee } from "../remote/tracee.ts";
import type { Aftermath } from "./aftermath.ts";
import type { Answers } from "./kind.ts";

/** Options of a restore, as `criu-wasm restore --help` describes them. */
export interface RestoreOptions {
  shellJob: boolean;
  leaveStopped: boolean;
  /** The task becomes a sibling of this process, not a child. */
  sibling: boolean;
  /** Go on, with a warning, where the task had more privileges or higher limits than this process can give. */
  fewerPrivileges: boolean;
}

export interface RestoreContext {
  readonly options: RestoreOptions;
  readonly reader: CheckpointReader;
  /** files.img by id. */
  readonly files: ReadonlyMap<number, FileEntry>;
  readonly aftermath: Aftermath;
  readonly warn: (message: string) => void;
}

export class RestoreThread {
  readonly tid: number;
  readonly task: RestoreTask;
  readonly core: ThreadCoreEntry;
  readonly info: ThreadInfoX86;
  private traced: Tracee | undefined;

  constructor(task: RestoreTask, tid: number, core: CoreEntry) {
    this.task = task;
    this.tid = tid;
    const name = { kind: "CORE", id: tid } as const;
    this.core = mustHave(core, "thread_core", name);
    this.info = mustHave(core, "thread_info", name);
  }

  get isLeader(): boolean {
    return this.tid === this.task.pid;
  }

  get exists(): boolean {
    return this.traced !== undefined;
  }

  /** The thread, once it was made. */
  get tracee(): Tracee {
    if (!this.traced) throw new CriuWasmError("internal: the thread does not exist yet", { tid: this.tid });
    return this.traced;
  }

  set tracee(tracee: Tracee) {
    this.traced = tracee;
  }

  /** Makes calls in the thread now. */
  get remote(): Remote {
    if (!this.task.remoteOf)
      throw new CriuWasmError("internal: the task does not exist yet", { tid: this.tid });
    return this.task.remoteOf(this);
  }
}

export class RestoreTask {
  readonly pid: number;
  readonly comm: string;
  readonly context: RestoreContext;
  readonly pstree: PstreeEntry;
  readonly core: TaskCoreEntry;
  readonly mm: MmEntry;
  readonly leader: RestoreThread;
  /** The leader first. */
  readonly threads: readonly RestoreThread[];
  /** Set by the engine when the task exists: how calls are made in a thread of it. */
  remoteOf: ((thread: RestoreThread) => Remote) | undefined;
  /** The range of the arena, which no mapping of the task's own may meet. */
  arena: { start: bigint; end: bigint } | undefined;

  constructor(context: RestoreContext, pstree: PstreeEntry) {
    const { reader } = context;
    this.context = context;
    this.pstree = pstree;
    this.pid = pstree.pid;
    const read = (tid: number) => onlyMessage(reader, { kind: "CORE", id: tid });
    const tids = [this.pid, ...pstree.threads.filter((tid) => tid !== this.pid)];
    this.core = mustHave(read(this.pid), "tc", { kind: "CORE", id: this.pid });
    this.comm = Buffer.from(this.core.comm).toString();
    this.threads = tids.map((tid) => new RestoreThread(this, tid, read(tid)));
    this.leader = this.threads[0]!;
    this.mm = onlyMessage(reader, { kind: "MM", id: this.pid });
  }

  get options(): RestoreOptions {
    return this.context.options;
  }

  /**
   * Something cannot be given back because this process itself does not have it: refused, unless the user
   * accepts fewer privileges (--fewer-privileges), who is then warned.
   */
  concede(message: string, context: ErrorContext = {}): void {
    if (!this.options.fewerPrivileges) {
      const hint = "restore with more privileges, or accept fewer in the task: --fewer-privileges";
      throw new HostMismatchError(message, { hint, ...context });
    }
    this.context.warn(
      describe(new HostMismatchError(message, { pid: this.pid, comm: this.comm, ...context })),
    );
  }

  /** Makes calls in the leader now. */
  run(batch: Batch): void {
    this.leader.remote.run(batch);
  }

  /** Queues calls for each item, and makes them in the leader in as many batches as they take. */
  inBatches<T>(items: readonly T[], emit: (item: T, batch: Batch) => Answers): void {
    const answers = inBatches(this.leader.remote, items, (batch, item) => emit(item, batch));
    for (const answer of answers) answer?.();
  }
}
