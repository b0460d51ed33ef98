/** Places in an address space where nothing is. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { CriuWasmError } from "../../errors.ts";
import { ProcPid } from "../../kernel/process.ts";
import type { Range } from "../../remote/memory.ts";
import { PAGE } from "./pages.ts";

/** End of what a 64-bit process may map (47 bits), and a low end that mmap_min_addr leaves alone. */
export const TASK_SIZE = 0x7fff_ffff_f000n;
const LOWEST = 0x10000n;

/** The lowest hole of `size` bytes that none of the ranges touches. */
export function findHole(ranges: readonly Range[], size: bigint): bigint {
  const sorted = [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1));
  let at = LOWEST;
  for (const range of sorted) {
    if (range.start >= at + size + PAGE) break;
    if (range.end + PAGE > at) at = range.end + PAGE;
  }
  if (at + size > TASK_SIZE) throw new CriuWasmError("the address space has no hole that is large enough");
  return at;
}

/** What the task will have mapped, and what it has now. */
export function takenRanges(task: RestoreTask): Range[] {
  return [...task.mm.vmas, ...new ProcPid(task.pid).maps()];
}
