/** dump: rehearse, freeze, ask, copy memory, write, then let go or end the task. */

import { CriuWasmError, describe, TargetGoneError, UnsupportedError } from "../errors.ts";
import type { CheckpointWriter } from "../images/checkpoint.ts";
import { now } from "../kernel/clock.ts";
import type { CgroupMembership } from "../kernel/proc/cgroup.ts";
import { Batch } from "../remote/batch.ts";
import { FrozenProcess } from "../remote/frozen.ts";
import { refuseUnstoppable } from "../remote/stoppable.ts";
import { Aftermath } from "./aftermath.ts";
import { DraftImages, type DumpContext, type DumpOptions, DumpTask, type DumpThread } from "./dump-task.ts";
import { FileTable } from "./file-table.ts";
import { type Answers, inKind, type Kind } from "./kind.ts";
import { writeCommonImages } from "./tree.ts";

/** How a dump went: times in µs and pages, as CRIU's stats-dump counts them. */
export interface DumpReport {
  freezingTime: number;
  frozenTime: number;
  memoryTime: number;
  pagesScanned: number;
  pagesWritten: number;
  sharedPagesScanned: number;
  sharedPagesWritten: number;
  /** Where the task was: that is not in the images, but left to the caller. */
  cgroups: CgroupMembership[];
}

const microseconds = (milliseconds: number) => Math.round(milliseconds * 1000);

function newContext(
  options: DumpOptions,
  warn: (message: string) => void,
  writer?: CheckpointWriter,
): DumpContext {
  const images = new DraftImages();
  return { options, images, files: new FileTable(images), writer, aftermath: new Aftermath(), warn };
}

/** What the dump hooks of all kinds ask of one thread. */
interface Question {
  tid: number;
  batch: Batch;
  answers: Answers[];
}

function question(thread: DumpThread, kinds: readonly Kind[]): Question {
  const { tid, task, isLeader } = thread;
  const batch = new Batch();
  const answers = kinds.flatMap((kind) => {
    const taken = inKind(kind, tid, batch, () => [
      isLeader ? kind.dumpTask?.(task, batch) : undefined,
      kind.dumpThread?.(thread, batch),
    ]);
    return taken.map((answer) => answer && (() => inKind(kind, tid, batch, answer)));
  });
  return { tid, batch, answers };
}

/** Refuses what cannot be dumped before anything is touched, and warms the code up. */
function rehearse(task: DumpTask, kinds: readonly Kind[]): void {
  for (const thread of task.threads) {
    try {
      question(thread, kinds);
    } catch (error) {
      // Anything else may be because it runs: threads end, files are closed.
      if (error instanceof UnsupportedError) throw error;
    }
  }
}

/** Asks all there is to ask; the calls of each thread are made in one batch. */
function ask(task: DumpTask, kinds: readonly Kind[], frozen: FrozenProcess): void {
  const questions = task.threads.map((thread) => question(thread, kinds));
  for (const { tid, batch } of questions) if (batch.ops.length > 0) frozen.remote(tid).run(batch);
  for (const { answers } of questions) for (const answer of answers) answer?.();
}

/**
 * Dumps the task `pid` through `writer`, which is committed. Whatever fails, the task runs on and the writer
 * is aborted. The report says how long the task stood still.
 */
export function dump(
  pid: number,
  writer: CheckpointWriter,
  kinds: readonly Kind[],
  options: DumpOptions,
  warn: (message: string) => void,
): DumpReport {
  try {
    refuseUnstoppable(pid);
    rehearse(new DumpTask(pid, newContext(options, warn)), kinds);
    return dumpFrozen(pid, writer, kinds, options, warn);
  } catch (error) {
    writer.abort();
    throw error instanceof CriuWasmError ? error.within({ phase: "dump", pid }) : error;
  }
}

/** After a failure: that is what is to be told, so what goes wrong now is only warned of. */
function letRunOn(frozen: FrozenProcess, warn: (message: string) => void): void {
  try {
    frozen.release();
  } catch (error) {
    if (!(error instanceof TargetGoneError)) warn(`letting the task go: ${describe(error)}`);
  }
}

function dumpFrozen(
  pid: number,
  writer: CheckpointWriter,
  kinds: readonly Kind[],
  options: DumpOptions,
  warn: (message: string) => void,
): DumpReport {
  const began = now();
  const frozen = FrozenProcess.freeze(pid, options);
  const froze = now();
  const context = newContext(options, warn, writer);
  let ended = false;
  try {
    const task = new DumpTask(pid, context, frozen);
    ask(task, kinds, frozen);
    const cgroups = task.proc.cgroup();
    const copying = now();
    const rest = kinds.map((kind) => kind.dumpContent?.(task));
    frozen.checkHeld();
    let thawed: number | undefined;
    if (options.leaveRunning) {
      frozen.release();
      ended = true;
      thawed = now();
    }
    for (const copyRest of rest) copyRest?.();
    const copied = now();
    const report: DumpReport = {
      freezingTime: microseconds(froze - began),
      frozenTime: microseconds((thawed ?? copied) - began),
      memoryTime: microseconds(copied - copying),
      ...task.pageCounts,
      cgroups,
    };
    writeCommonImages(task, report);
    task.images.writeTo(writer);
    writer.commit();
    context.aftermath.run(true, warn);
    if (!ended) {
      if (options.leaveStopped) frozen.releaseStopped();
      else frozen.kill();
      ended = true;
    }
    return report;
  } catch (error) {
    if (!ended) frozen.checkHeld(error);
    throw error;
  } finally {
    context.aftermath.run(false, warn);
    if (!ended) letRunOn(frozen, warn);
  }
}
