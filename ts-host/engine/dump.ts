/** dump: rehearse, freeze, ask, copy memory, write, then let go or end the task. */

import type { Kind } from "../engine/kind.ts";
import { CriuWasmError } from "../errors.ts";
import type { CheckpointWriter } from "../images/checkpoint.ts";
import { Batch } from "../remote/batch.ts";
import { FrozenProcess } from "../remote/frozen.ts";
import { Aftermath } from "./aftermath.ts";
import { DraftImages, type DumpContext, type DumpOptions, DumpTask } from "./dump-task.ts";
import { FileTable } from "./file-table.ts";
import type { Answers } from "./kind.ts";
import { writeCommonImages } from "./tree.ts";

/** Times of a dump, in µs, as CRIU's stats-dump counts them. */
export interface DumpReport {
  freezingTime: number;
  frozenTime: number;
  memoryTime: number;
  pagesScanned: number;
  pagesWritten: number;
  sharedPagesScanned: number;
  sharedPagesWritten: number;
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

/** Runs every dump hook; the calls of each thread are made in one batch. */
function askKinds(
  task: DumpTask,
  kinds: readonly Kind[],
  run: (tid: number, batch: Batch) => void,
): Answers[] {
  const answers: Answers[] = [];
  for (const thread of task.threads) {
    const batch = new Batch();
    for (const kind of kinds) {
      try {
        if (thread.isLeader && kind.dumpTask) answers.push(kind.dumpTask(task, batch) ?? undefined);
        if (kind.dumpThread) answers.push(kind.dumpThread(thread, batch) ?? undefined);
      } catch (error) {
        throw error instanceof CriuWasmError ? error.within({ kind: kind.name, tid: thread.tid }) : error;
      }
    }
    run(thread.tid, batch);
  }
  return answers;
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
    // The rehearsal refuses what cannot be dumped before anything is touched, and warms the code up.
    askKinds(new DumpTask(pid, newContext(options, warn)), kinds, () => {});
    return dumpFrozen(pid, writer, kinds, options, warn);
  } catch (error) {
    writer.abort();
    throw error instanceof CriuWasmError ? error.within({ phase: "dump", pid }) : error;
  }
}

function dumpFrozen(
  pid: number,
  writer: CheckpointWriter,
  kinds: readonly Kind[],
  options: DumpOptions,
  warn: (message: string) => void,
): DumpReport {
  const began = performance.now();
  const frozen = FrozenProcess.freeze(pid, options);
  const froze = performance.now();
  const context = newContext(options, warn, writer);
  let ended = false;
  try {
    const task = new DumpTask(pid, context, frozen);
    const answers = askKinds(task, kinds, (tid, batch) => {
      if (batch.ops.length > 0) frozen.remote(tid).run(batch);
    });
    for (const answer of answers) answer?.();
    const copying = performance.now();
    const rest = kinds.map((kind) => kind.dumpContent?.(task));
    let thawed: number | undefined;
    if (options.leaveRunning) {
      frozen.release();
      ended = true;
      thawed = performance.now();
    }
    for (const copyRest of rest) copyRest?.();
    const copied = performance.now();
    const report: DumpReport = {
      freezingTime: microseconds(froze - began),
      frozenTime: microseconds((thawed ?? copied) - began),
      memoryTime: microseconds(copied - copying),
      ...task.pageCounts,
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
  } finally {
    context.aftermath.run(false, warn);
    if (!ended) frozen.release();
  }
}
