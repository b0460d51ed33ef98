/**
 * Descriptors: which open file each number leads to, and FD_CLOEXEC. Open files that several descriptors share
 * (dup) are opened once. What kind of file each is, is known to the file kinds of the registry.
 */
import { statSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { Answers, Kind } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { FILES_ID } from "../../engine/tree.ts";
import { CriuWasmError } from "../../errors.ts";
import type { FdinfoEntry } from "../../generated/messages.ts";
import { onlyMessage } from "../../images/only-message.ts";
import { FD_CLOEXEC, O_CLOEXEC, O_PATH } from "../../kernel/abi/fcntl.ts";
import type { Batch } from "../../remote/batch.ts";
import { inBatches } from "../../remote/remote.ts";
import type { HeldFile } from "./file-kind.ts";
import { dumpRemaps } from "./ghost.ts";
import { refuseLocks } from "./locks.ts";
import { askOwner, NO_OWNER, ownerOf, restoreOwner } from "./owner.ts";
import { fileWithId, kindOfFile } from "./registry.ts";

// Dump.

/** Queues calls about an open file; there may be more of them than one batch holds. */
type Question = (batch: Batch) => Answers;

function heldUnder(task: DumpTask, fd: number): { file: HeldFile; closeOnExec: boolean } {
  const source = `/proc/${task.pid}/fd/${fd}`;
  const { flags, pos, lines, mntId } = task.proc.fdinfo(fd);
  const file = {
    task,
    fd,
    source,
    link: task.proc.fdLink(fd),
    stat: statSync(source, { bigint: true }),
    flags: flags & ~O_CLOEXEC,
    pos,
    lines,
    mountId: mntId,
    owner: { ...NO_OWNER },
  };
  return { file, closeOnExec: (flags & O_CLOEXEC) !== 0 };
}

/** undefined when it was closed meanwhile, which a task that runs (in the rehearsal) may do. */
function heldIfStill(task: DumpTask, fd: number): ReturnType<typeof heldUnder> | undefined {
  try {
    return heldUnder(task, fd);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as CriuWasmError).context?.errno;
    if (!task.frozen && code === "ENOENT") return undefined;
    throw error;
  }
}

function describeDescriptor(task: DumpTask, fd: number, questions: Question[]): FdinfoEntry | undefined {
  const held = heldIfStill(task, fd);
  if (!held) return undefined;
  const { file, closeOnExec } = held;
  const kind = kindOfFile(file);
  refuseLocks(file);
  const fingerprint = `${file.stat.dev}:${file.stat.ino} ${file.flags} ${file.pos}`;
  const id = task.files.description(task.pid, fd, fingerprint, (fresh) => {
    const entry = kind.describe(file, fresh);
    if ((file.flags & O_PATH) === 0) {
      questions.push((batch) => askOwner(batch, fd, file.owner));
      questions.push((batch) => kind.ask?.(file, batch, entry));
    }
    return entry;
  });
  return { id, flags: closeOnExec ? FD_CLOEXEC : 0, type: kind.type, fd };
}

function describeAll(task: DumpTask): Answers {
  const questions: Question[] = [];
  const entries: FdinfoEntry[] = [];
  for (const fd of task.proc.fds()) {
    try {
      const entry = describeDescriptor(task, fd, questions);
      if (entry) entries.push(entry);
    } catch (error) {
      throw error instanceof CriuWasmError ? error.within({ fd }) : error;
    }
  }
  return () => {
    const answers = inBatches(task.leader.remote, questions, (batch, ask) => ask(batch));
    for (const answer of answers) answer?.();
    task.images.append({ kind: "FDINFO", id: FILES_ID }, ...entries.map((message) => ({ message })));
  };
}

// Restore.

function descriptorsOf(task: RestoreTask): FdinfoEntry[] {
  const { reader } = task.context;
  const { files_id } = onlyMessage(reader, { kind: "IDS", id: task.pid });
  const name = { kind: "FDINFO", id: files_id } as const;
  if (!reader.has(name)) return [];
  return reader
    .read(name)
    .map(({ message }) => message)
    .sort((a, b) => a.fd - b.fd);
}

/** The lowest number that is free is what the next open gets: at most the number that is wanted, in this order. */
class FreeNumbers {
  private readonly taken = new Set<number>();
  private lowest = 0;

  take(wanted: number): "lands there" | "has to be moved" {
    while (this.taken.has(this.lowest)) this.lowest++;
    this.taken.add(wanted);
    return this.lowest === wanted ? "lands there" : "has to be moved";
  }
}

function openDescriptors(task: RestoreTask): void {
  const firsts = new Map<number, number>();
  const free = new FreeNumbers();
  task.inBatches(descriptorsOf(task), ({ id, fd, flags }, batch) => {
    const close = flags & FD_CLOEXEC ? O_CLOEXEC : 0;
    const first = firsts.get(id);
    const lands = free.take(fd);
    if (first !== undefined) {
      batch.call("dup3", [first, fd, close]);
      return;
    }
    firsts.set(id, fd);
    const { kind, entry } = fileWithId(task, id);
    const opened = kind.open(task, batch, entry, close);
    if (lands === "lands there") return;
    batch.call("dup3", [opened, fd, close]);
    batch.call("close", [opened]);
  });
}

function restoreOwners(task: RestoreTask): void {
  const done = new Set<number>();
  task.inBatches(descriptorsOf(task), ({ id, fd }, batch) => {
    if (done.has(id)) return;
    done.add(id);
    const owner = ownerOf(fileWithId(task, id).entry);
    return owner && restoreOwner(task, batch, fd, owner);
  });
}

export const files: Kind = {
  name: "files",

  dumpTask: describeAll,
  dumpContent: dumpRemaps,

  restoreTask: {
    check(task) {
      for (const id of task.context.files.keys()) {
        const { kind, entry } = fileWithId(task, id);
        kind.check?.(task, entry);
      }
    },
    files: openDescriptors,
    // Threads may be owners, so they have to be there; privileges are needed, so they have to be there still.
    thread: restoreOwners,
  },
};
