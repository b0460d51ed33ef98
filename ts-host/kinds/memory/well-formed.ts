/** What a list of mappings in an image must be, before an address space is made of it. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { ImageError } from "../../errors.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import { intersections } from "../../remote/ranges.ts";
import { TASK_SIZE } from "./holes.ts";
import { type PageRun, privatePagemap } from "./pagemap.ts";
import { PAGE } from "./pages.ts";
import { is, isPrivate, VMA_GUARD, VMA_VSYSCALL } from "./vma.ts";

/** More words than any kernel gives a program. */
const MOST_AUXV_WORDS = 512;

function wrongRange({ start, end }: VmaEntry): string | undefined {
  if ((start | end) % PAGE !== 0n) return "does not begin and end with a page";
  if (start >= end) return "ends before it begins";
  if (end > TASK_SIZE) return "ends beyond what a task can have";
  return undefined;
}

function checkMappings(vmas: readonly VmaEntry[]): void {
  let last = 0n;
  for (const [index, vma] of vmas.entries()) {
    if (is(vma, VMA_VSYSCALL)) continue;
    const isGuard = is(vma, VMA_GUARD);
    const overlaps = !isGuard && vma.start < last ? "overlaps the one before it" : undefined;
    const wrong = wrongRange(vma) ?? overlaps;
    if (wrong) {
      const where = `0x${vma.start.toString(16)}-0x${vma.end.toString(16)}`;
      throw new ImageError(`mapping ${where} ${wrong}`, { field: `vmas[${index}]` });
    }
    if (!isGuard) last = vma.end;
  }
}

function pagesOf(ranges: Iterable<{ start: bigint; end: bigint }>): bigint {
  let pages = 0n;
  for (const { start, end } of ranges) pages += (end - start) / PAGE;
  return pages;
}

/** All content has a private mapping that it belongs to. */
function checkContent(vmas: readonly VmaEntry[], runs: readonly PageRun[], file: string): void {
  const owners = vmas.filter((vma) => isPrivate(vma) && !is(vma, VMA_GUARD));
  const placed = pagesOf(intersections(runs, owners));
  const pages = pagesOf(runs);
  if (placed !== pages) throw new ImageError(`${pages - placed} pages lie in no private mapping`, { file });
}

/** The memory of a task as its images have it; an ImageError says what cannot be. */
export function checkMemory(task: RestoreTask): void {
  const { mm, pid } = task;
  try {
    checkMappings(mm.vmas);
    if (mm.mm_saved_auxv.length > MOST_AUXV_WORDS) {
      throw new ImageError(`${mm.mm_saved_auxv.length} words are too many`, { field: "mm_saved_auxv" });
    }
  } catch (error) {
    throw error instanceof ImageError ? error.within({ file: `mm-${pid}.img` }) : error;
  }
  checkContent(mm.vmas, privatePagemap(task).runs, `pagemap-${pid}.img`);
}
