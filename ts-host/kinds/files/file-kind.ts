/**
 * What a kind of file is to the kinds that hold files: descriptors, mappings, directories. One file a kind,
 * one line in kinds/files/index.ts.
 */
import type { BigIntStats } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { Answers } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import type { FileEntry, FownEntry } from "../../generated/messages.ts";
import type { Batch, Op } from "../../remote/batch.ts";

/** A file that a task holds: open under a descriptor, mapped, executed, or a directory that it is in. */
export interface HeldFile {
  readonly task: DumpTask;
  /** Where it is held; absent for what has no descriptor. */
  readonly fd?: number;
  /** Magic link of /proc that leads to the file itself, whatever its name leads to. */
  readonly source: string;
  /** What the magic link says: a path, perhaps with " (deleted)", or "socket:[123]", "anon_inode:…". */
  readonly link: Buffer;
  readonly stat: BigIntStats;
  /** O_ flags without O_CLOEXEC, which is the descriptor's. */
  readonly flags: number;
  /** In bytes. */
  readonly pos: bigint;
  /** What the kind of file adds to fdinfo, line by line. */
  readonly lines: readonly string[];
  /** Of the mount that the file was reached through; absent for what has no descriptor. */
  readonly mountId?: number;
  /** Filled in when the task is frozen. */
  readonly owner: FownEntry;
}

export interface FileKind {
  /** An FdTypes. */
  readonly type: number;
  /** As it is named in messages: "memfd". */
  readonly name: string;
  recognises(file: HeldFile): boolean;
  /** The entry of files.img. Runs in the rehearsal too: it may refuse, and must not touch the task. */
  describe(file: HeldFile, id: number): FileEntry;
  /** Queues questions about a file that is open under `file.fd`; the returned function completes the entry. */
  ask?(file: HeldFile, batch: Batch, entry: FileEntry): Answers;
  /** Is everything there that `open` will need? Runs before anything exists. */
  check?(task: RestoreTask, entry: FileEntry): void;
  /**
   * Queues the opening; the op's result is a descriptor. `close` is O_CLOEXEC or 0; `access` is there for files
   * that are mapped or executed, and takes the place of the entry's flags.
   */
  open(task: RestoreTask, batch: Batch, entry: FileEntry, close: number, access?: number): Op;
}
