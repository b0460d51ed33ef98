/**
 * Restore of an address space: the task's own mappings take the seed's place, at the same addresses; then
 * they are filled, and protected.
 */
import type { RestoreTask } from "../../engine/restore-task.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import { O_ACCMODE, O_RDONLY, O_RDWR } from "../../kernel/abi/fcntl.ts";
import {
  MADV_GUARD_INSTALL,
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_WRITE,
} from "../../kernel/abi/mman.ts";
import { ProcPid } from "../../kernel/process.ts";
import { Batch } from "../../remote/batch.ts";
import { writeRanges } from "../../remote/memory.ts";
import { intersections } from "../../remote/ranges.ts";
import { openRegistered } from "../files/mapped.ts";
import { type PageRun, privatePagemap, readRuns, withoutHole } from "./pagemap.ts";
import { placeVdso } from "./vdso.ts";
import { is, isDroppable, isKernels, isPrivate, VMA_ANON_PRIVATE, VMA_GUARD, VMA_VDSO } from "./vma.ts";

/** Flags of mmap that a mapping keeps. */
const KEPT_FLAGS = MAP_GROWSDOWN | MAP_NORESERVE;
/** Mappings for which a file is opened once. */
const MOST_IN_GROUP = 64;

const isAnonymous = (vma: VmaEntry) => is(vma, VMA_ANON_PRIVATE);

/** Mappings proper: the image's list without its guard ranges and the kernel's own. */
function ordinary(task: RestoreTask): VmaEntry[] {
  return task.mm.vmas.filter((vma) => !isKernels(vma) && !is(vma, VMA_GUARD));
}

/** Unmaps everything of the seed's that is not the kernel's; the arena stays. */
function unmapSeed(task: RestoreTask): void {
  const batch = new Batch();
  for (const { start, end, path } of new ProcPid(task.pid).maps()) {
    const ours = task.arena && start >= task.arena.start && end <= task.arena.end;
    if (ours || ["[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]"].includes(path.toString())) continue;
    batch.call("munmap", [start, end - start]);
  }
  task.run(batch);
}

/** What the pagemap lists, without the vDSO, whose content is placeVdso's business. */
function ownRuns(task: RestoreTask): PageRun[] {
  const { runs } = privatePagemap(task);
  const vdso = task.mm.vmas.find((vma) => is(vma, VMA_VDSO));
  return vdso ? withoutHole(runs, vdso) : runs;
}

/** Private mappings that have pages to be filled, which their protection forbids to write. */
function closedMappings(task: RestoreTask): Set<VmaEntry> {
  const closed = ordinary(task).filter((vma) => isPrivate(vma) && (vma.prot & PROT_WRITE) === 0);
  return new Set([...intersections(ownRuns(task), closed)].map(({ window }) => window));
}

const length = ({ start, end }: VmaEntry) => end - start;

function mapAnonymous(vma: VmaEntry, prot: number, batch: Batch): void {
  const type = isDroppable(vma) ? MAP_DROPPABLE : MAP_PRIVATE;
  const flags = (vma.flags & KEPT_FLAGS) | type | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  batch.call("mmap", [vma.start, length(vma), prot, flags, -1, 0]);
}

/** How the file of a mapping is to be opened. */
function accessOf(vma: VmaEntry): number {
  if (isPrivate(vma)) return O_RDONLY;
  const access = vma.fdflags ?? (vma.prot & PROT_WRITE ? O_RDWR : O_RDONLY);
  return access & O_ACCMODE;
}

/** Mappings that follow one another and have their file in common, so that it is opened once for all of them. */
function groupedByFile(vmas: readonly VmaEntry[]): VmaEntry[][] {
  const groups: VmaEntry[][] = [];
  for (const vma of vmas) {
    const group = groups.at(-1);
    const like = group?.[0];
    const fits = like && like.shmid === vma.shmid && accessOf(like) === accessOf(vma);
    if (fits && group.length < MOST_IN_GROUP) group.push(vma);
    else groups.push([vma]);
  }
  return groups;
}

function mapFile(
  task: RestoreTask,
  group: readonly VmaEntry[],
  prot: (vma: VmaEntry) => number,
  batch: Batch,
): void {
  const fd = openRegistered(task, batch, Number(group[0]!.shmid), accessOf(group[0]!));
  for (const vma of group) {
    const sharing = isPrivate(vma) ? MAP_PRIVATE : MAP_SHARED;
    const flags = (vma.flags & KEPT_FLAGS) | sharing | MAP_FIXED_NOREPLACE;
    batch.call("mmap", [vma.start, length(vma), prot(vma), flags, fd, vma.pgoff]);
  }
  batch.call("close", [fd]);
}

/** Maps everything: shared memory with its content, private memory empty and, where it has content, writable. */
export function mapAddressSpace(task: RestoreTask): void {
  unmapSeed(task);
  placeVdso(task);
  const vmas = ordinary(task);
  const [anonymous, ofFiles] = [vmas.filter(isAnonymous), vmas.filter((vma) => !isAnonymous(vma))];
  const closed = closedMappings(task);
  const prot = (vma: VmaEntry) => (closed.has(vma) ? vma.prot | PROT_WRITE : vma.prot);
  task.inBatches(anonymous, (vma, batch) => mapAnonymous(vma, prot(vma), batch));
  task.inBatches(groupedByFile(ofFiles), (group, batch) => mapFile(task, group, prot, batch));
}

function advise(vma: VmaEntry, batch: Batch): void {
  for (let advice = 0n, bits = vma.madv ?? 0n; bits >> advice; advice++) {
    if ((bits >> advice) & 1n) batch.call("madvise", [vma.start, length(vma), advice]);
  }
}

/** Fills private memory, protects it, and gives advice and guard pages. */
export function fillAddressSpace(task: RestoreTask): void {
  readRuns(privatePagemap(task), ownRuns(task), (ranges, content) => writeRanges(task.pid, ranges, content));
  task.inBatches([...closedMappings(task)], (vma, batch) => {
    batch.call("mprotect", [vma.start, length(vma), vma.prot]);
  });
  task.inBatches(ordinary(task), advise);
  const guards = task.mm.vmas.filter((vma) => is(vma, VMA_GUARD));
  task.inBatches(guards, (guard, batch) => {
    batch.call("madvise", [guard.start, length(guard), MADV_GUARD_INSTALL]);
  });
}
