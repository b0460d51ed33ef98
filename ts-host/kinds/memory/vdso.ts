/**
 * The vDSO. Where the kernel's vDSO has its functions where the image's had them, it is moved to the image's
 * address, with its data. Where they differ (another kernel), the image's vDSO is kept as plain memory, and
 * each of its functions jumps to the kernel's function of the same name.
 *
 * Lost on another kernel: calls of the vDSO that a signal handler has interrupted, which cannot be told.
 */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { HostMismatchError } from "../../errors.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../../kernel/abi/mman.ts";
import type { Vma } from "../../kernel/proc/maps.ts";
import { ProcPid } from "../../kernel/process.ts";
import { Batch } from "../../remote/batch.ts";
import { type Range, readMemory, writeMemory } from "../../remote/memory.ts";
import { findHole, takenRanges } from "./holes.ts";
import { privatePagemap, readRuns } from "./pagemap.ts";
import { PAGE } from "./pages.ts";
import { vdsoSymbols } from "./vdso-symbols.ts";
import { is, VMA_VDSO, VMA_VVAR } from "./vma.ts";

const PARTS = ["[vvar]", "[vvar_vclock]", "[vdso]"];

/** The mappings of the running kernel's vDSO and its data in the task. */
function kernelParts(task: RestoreTask): Vma[] {
  return new ProcPid(task.pid).maps().filter((vma) => PARTS.includes(vma.path.toString()));
}

/** The content that the image holds for a range. */
function imageBytes(task: RestoreTask, range: Range): Buffer | undefined {
  const pagemap = privatePagemap(task);
  const run = pagemap.runs.find(({ start, end }) => start <= range.start && range.end <= end);
  if (!run) return undefined;
  const first = run.first + Number((range.start - run.start) / PAGE);
  const parts: Buffer[] = [];
  readRuns(pagemap, [{ start: range.start, end: range.end, first }], (_, content) => {
    parts.push(Buffer.from(content));
  });
  return Buffer.concat(parts);
}

function sameFunctions(ours: Map<string, number>, theirs: Map<string, number>): boolean {
  return ours.size === theirs.size && [...ours].every(([name, offset]) => theirs.get(name) === offset);
}

/** Moves the parts so that the first is at `target`; through a hole where source and target overlap. */
function moveParts(task: RestoreTask, parts: readonly Vma[], target: bigint): void {
  const from = parts[0]!.start;
  const size = parts.at(-1)!.end - from;
  if (from === target) return;
  const move = (current: bigint, wanted: bigint) => {
    const batch = new Batch();
    for (const part of parts) {
      const length = part.end - part.start;
      const [old, fresh] = [part.start - from + current, part.start - from + wanted];
      batch.call("mremap", [old, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, fresh]);
    }
    task.run(batch);
  };
  if (from < target + size && target < from + size) {
    const hole = findHole(takenRanges(task), size);
    move(from, hole);
    move(hole, target);
  } else {
    move(from, target);
  }
}

/** movabs $target, %rax; jmp *%rax: rax is free at the start of a function. */
function jumpTo(target: bigint): Buffer {
  const code = Buffer.from([0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0]);
  code.writeBigUInt64LE(target, 2);
  return code;
}

/** A function that was under way would go on in the old code, for which the kernel's data is not there. */
function refuseInside(task: RestoreTask, vdso: VmaEntry): void {
  const inside = task.threads.find(({ info }) => info.gpregs.ip >= vdso.start && info.gpregs.ip < vdso.end);
  if (!inside) return;
  throw new HostMismatchError("the thread was dumped inside the vDSO, and that of this kernel differs", {
    tid: inside.tid,
    hint: "restore it on the kernel it came from",
  });
}

function redirect(
  task: RestoreTask,
  vdso: VmaEntry,
  dumped: Buffer,
  running: Map<string, number>,
  at: bigint,
): void {
  for (const [name, offset] of vdsoSymbols(dumped)) {
    const function_ = running.get(name);
    if (function_ === undefined) {
      throw new HostMismatchError(`the vDSO of this kernel has no ${name}, which the task may call`, {
        pid: task.pid,
        hint: "restore it on a kernel at least as new as the one it came from",
      });
    }
    jumpTo(at + BigInt(function_)).copy(dumped, offset);
  }
  const length = vdso.end - vdso.start;
  const map = new Batch();
  map.call("mmap", [
    vdso.start,
    length,
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
    -1,
    0,
  ]);
  task.run(map);
  writeMemory(task.pid, vdso.start, dumped);
  const protect = new Batch();
  protect.call("mprotect", [vdso.start, length, PROT_READ | PROT_EXEC]);
  task.run(protect);
}

function unmap(task: RestoreTask, parts: readonly Vma[]): void {
  const batch = new Batch();
  for (const part of parts) batch.call("munmap", [part.start, part.end - part.start]);
  task.run(batch);
}

/** Puts the vDSO where the image has it. */
export function placeVdso(task: RestoreTask): void {
  const parts = kernelParts(task);
  const wanted = task.mm.vmas.find((vma) => is(vma, VMA_VDSO));
  const running = parts.find((part) => part.path.toString() === "[vdso]");
  if (!running || !wanted) {
    unmap(task, parts);
    return;
  }
  const code = Buffer.alloc(Number(running.end - running.start));
  readMemory(task.pid, running.start, code);
  const dumped = imageBytes(task, wanted);
  const functions = vdsoSymbols(code);
  const data = task.mm.vmas.find((vma) => is(vma, VMA_VVAR));
  const offset = running.start - parts[0]!.start;
  const sameLayout =
    wanted.end - wanted.start === running.end - running.start &&
    (!data || wanted.start - data.start === offset);
  if (sameLayout && (!dumped || sameFunctions(functions, vdsoSymbols(dumped)))) {
    moveParts(task, parts, wanted.start - offset);
    return;
  }
  if (!dumped) {
    throw new HostMismatchError(
      "the vDSO of this kernel differs, and the image holds no copy of the task's own",
      {
        pid: task.pid,
      },
    );
  }
  refuseInside(task, wanted);
  const hole = findHole(takenRanges(task), parts.at(-1)!.end - parts[0]!.start);
  moveParts(task, parts, hole);
  redirect(task, wanted, dumped, functions, hole + offset);
}
