/** restore: check, spawn the seed under the task's pid, run the phases, take the arena back, let it run. */
import { CriuWasmError, UnsupportedError } from "../errors.ts";
import type { FileEntry, PstreeEntry } from "../generated/messages.ts";
import type { CheckpointReader } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { onlyMessage } from "../images/only-message.ts";
import { CLONE_PARENT } from "../kernel/abi/sched.ts";
import { findHole, takenRanges } from "../kinds/memory/holes.ts";
import { ARENA_SIZE, Arena } from "../remote/arena.ts";
import { Batch } from "../remote/batch.ts";
import { BlobRemote } from "../remote/blob.ts";
import { StepRemote } from "../remote/step.ts";
import { findSyscallInstruction } from "../remote/vdso.ts";
import { Aftermath } from "./aftermath.ts";
import { inKind, type Kind, RESTORE_PHASES, type RestorePhase } from "./kind.ts";
import { type RestoreContext, type RestoreOptions, RestoreTask } from "./restore-task.ts";
import { checkSoundness } from "./soundness.ts";
import { spawnUnder } from "./spawn.ts";

/** Runs the hooks of one phase; each thread's calls are made in one batch. */
function runPhase(task: RestoreTask, kinds: readonly Kind[], phase: RestorePhase): void {
  for (const thread of task.threads) {
    if (!thread.isLeader && !thread.exists && phase !== "check") continue;
    const batch = new Batch();
    const answers = kinds.flatMap((kind) =>
      inKind(kind, thread.tid, batch, () => [
        thread.isLeader ? kind.restoreTask?.[phase]?.(task, batch) : undefined,
        kind.restoreThread?.[phase]?.(thread, batch),
      ]),
    );
    if (batch.ops.length > 0) thread.remote.run(batch);
    for (const answer of answers) answer?.();
  }
}

/** Lends the seed its arena, where neither it nor the task has anything. */
function lendArena(task: RestoreTask): Arena {
  const { tracee } = task.leader;
  const address = findHole(takenRanges(task), BigInt(ARENA_SIZE));
  const arena = Arena.map(new StepRemote(tracee, findSyscallInstruction(task.pid)), address);
  task.arena = arena.range;
  task.remoteOf = (thread) => new BlobRemote(thread.tracee, arena);
  return arena;
}

function release(task: RestoreTask, arena: Arena): void {
  arena.unmap(new StepRemote(task.leader.tracee, findSyscallInstruction(task.pid)));
}

function readFiles(reader: CheckpointReader): Map<number, FileEntry> {
  return new Map(reader.read({ kind: "FILES" }).map(({ message }) => [message.id, message]));
}

function onlyProcess(reader: CheckpointReader): PstreeEntry {
  const name = { kind: "PSTREE" } as const;
  const { length } = reader.read(name);
  if (length > 1)
    throw new UnsupportedError(`${length} processes: trees are not supported yet`, {
      file: imageFileName(name),
    });
  return onlyMessage(reader, name);
}

/** Restores the task of a checkpoint; its pid. Whatever fails, no process is left behind. */
export function restore(
  reader: CheckpointReader,
  kinds: readonly Kind[],
  options: RestoreOptions,
  warn: (message: string) => void,
): number {
  const context: RestoreContext = {
    options,
    reader,
    files: readFiles(reader),
    aftermath: new Aftermath(),
    warn,
  };
  const task = new RestoreTask(context, onlyProcess(reader));
  try {
    runPhase(task, kinds, "check");
    checkSoundness(reader, context.files);
    task.leader.tracee = spawnUnder(task.pid, "pid", options.sibling ? CLONE_PARENT : 0);
    bringBack(task, kinds);
    return task.pid;
  } catch (error) {
    if (task.leader.exists) killSeed(task);
    context.aftermath.run(false, warn);
    throw error instanceof CriuWasmError
      ? error.within({ phase: "restore", pid: task.pid, comm: task.comm })
      : error;
  }
}

function bringBack(task: RestoreTask, kinds: readonly Kind[]): void {
  const arena = lendArena(task);
  for (const phase of RESTORE_PHASES.slice(1, -1)) runPhase(task, kinds, phase);
  release(task, arena);
  runPhase(task, kinds, "registers");
  task.context.aftermath.run(true, task.context.warn);
  if (task.options.leaveStopped) process.kill(task.pid, "SIGSTOP");
  for (const thread of [...task.threads].reverse()) thread.tracee.detach();
}

function killSeed(task: RestoreTask): void {
  process.kill(task.pid, "SIGKILL");
  // The leader ends as the last.
  for (const thread of [...task.threads].reverse()) if (thread.exists) thread.tracee.reap();
}
