/**
 * What a resource kind is to the engine. The engine orders kinds and knows none of them by name; a kind is
 * one file under kinds/ and one line in kinds/index.ts.
 *
 * A dump hook is run twice: once as a rehearsal before the task is frozen (its answers are thrown away), and
 * once when it is. So its body may read /proc, queue calls and refuse, and nothing else; what touches the
 * stopped task or keeps state is in the function that it returns, which runs when the calls have been made.
 */
import { CriuWasmError } from "../errors.ts";
import type { Batch } from "../remote/batch.ts";
import type { DumpTask, DumpThread } from "./dump-task.ts";
import type { RestoreTask, RestoreThread } from "./restore-task.ts";

/** Runs after the queued calls were made: takes their results and keeps state. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that has nothing to take need not return
export type Answers = (() => void) | void;

export type DumpHook<Subject> = (subject: Subject, batch: Batch) => Answers;

/** Queues what restores state; the returned function runs after the calls were made. */
export type RestoreHook<Subject> = (subject: Subject, batch: Batch) => Answers;

/**
 * The phases of a restore, in order. Every hook of a phase has run, and its calls were made, before the next
 * phase begins.
 *   check        nothing exists yet: is everything there that the restore needs? No calls may be queued
 *   session      the task exists under its pid, with the seed's memory: session and group
 *   memory       the task's own mappings take the seed's place; private ones are empty
 *   content      private memory is filled and protected
 *   files        descriptors, root and working directory
 *   process      what all threads share: signal actions, limits, prctls, timers made but not armed
 *   threads      the other threads are made
 *   thread       what each thread has for itself
 *   seccomp      filters, while the task still has its privileges (they are suspended until release)
 *   credentials  privileges are given up: hooks after this work unprivileged
 *   arm          what starts to run or to count: timers, pending signals
 *   registers    the arena is gone and no calls can be made: registers and signal masks
 */
export const RESTORE_PHASES = [
  "check",
  "session",
  "memory",
  "content",
  "files",
  "process",
  "threads",
  "thread",
  "seccomp",
  "credentials",
  "arm",
  "registers",
] as const;

export type RestorePhase = (typeof RESTORE_PHASES)[number];

export interface Kind {
  /** As it is named in messages: "posix-timer". */
  readonly name: string;
  /** Kinds whose hooks of the same phase come before this one's. */
  readonly after?: readonly string[];
  /** Once for each process; calls are made in its leader. */
  readonly dumpTask?: DumpHook<DumpTask>;
  /** Once for each thread, in that thread. */
  readonly dumpThread?: DumpHook<DumpThread>;
  /**
   * Bulk content, after all answers were taken. What need not be read from the stopped task is in the function
   * that is returned, which runs when a task that is left running runs again.
   */
  readonly dumpContent?: (task: DumpTask) => Answers;
  readonly restoreTask?: Partial<Record<RestorePhase, RestoreHook<RestoreTask>>>;
  readonly restoreThread?: Partial<Record<RestorePhase, RestoreHook<RestoreThread>>>;
}

/** Runs a hook of a kind for a thread: what it throws, and calls that it queues, say for which kind that was. */
export function inKind<T>(kind: Kind, tid: number, batch: Batch, body: () => T): T {
  batch.kind = kind.name;
  try {
    return body();
  } catch (error) {
    throw error instanceof CriuWasmError ? error.within({ kind: kind.name, tid }) : error;
  }
}

/** Kinds sorted so that each comes after those that it names. */
export function inOrder(kinds: readonly Kind[]): Kind[] {
  const sorted: Kind[] = [];
  const visit = (kind: Kind, path: string[]) => {
    if (sorted.includes(kind)) return;
    if (path.includes(kind.name))
      throw new Error(`kinds wait for one another: ${[...path, kind.name].join(" -> ")}`);
    for (const name of kind.after ?? []) {
      const earlier = kinds.find((other) => other.name === name);
      if (!earlier) throw new Error(`kind ${kind.name} comes after ${name}, which is not registered`);
      visit(earlier, [...path, kind.name]);
    }
    sorted.push(kind);
  };
  for (const kind of kinds) visit(kind, []);
  return sorted;
}
