/** Restore of an address space: the task's own mappings take the seed's place, at the same addresses. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { CriuWasmError, ImageError } from "../../errors.ts";
import type { PagemapEntry, PagemapHead, VmaEntry } from "../../generated/messages.ts";
import { AT_FDCWD, O_RDWR } from "../../kernel/abi/fcntl.ts";
import {
  MADV_GUARD_INSTALL,
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../kernel/abi/mman.ts";
import { ProcPid } from "../../kernel/process.ts";
import { Batch } from "../../remote/batch.ts";
import { writeMemory } from "../../remote/memory.ts";
import { openRegistered } from "../files/mapped.ts";
import { PAGE, PE_PARENT, PE_PRESENT, type Range } from "./pages.ts";
import { placeVdso } from "./vdso.ts";
import { is, isKernels, isPrivate, VMA_ANON_SHARED, VMA_GUARD, VMA_VDSO } from "./vma.ts";

/** End of what a 64-bit process may map (47 bits), and a low end that mmap_min_addr leaves alone. */
const TASK_SIZE = 0x7fff_ffff_f000n;
const LOWEST = 0x10000n;
/** Mappings whose calls fit one batch. */
const MAPPINGS_A_BATCH = 250;

/** The lowest hole of `size` bytes that none of the ranges touches. */
export function findHole(ranges: readonly Range[], size: bigint): bigint {
  const sorted = [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1));
  let at = LOWEST;
  for (const range of sorted) {
    if (range.start >= at + size + PAGE) break;
    if (range.end + PAGE > at) at = range.end + PAGE;
  }
  if (at + size > TASK_SIZE) throw new CriuWasmError("the address space has no hole for the arena");
  return at;
}

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

/** Private memory is mapped writable, filled, and then protected. */
function mapPrivate(task: RestoreTask, vma: VmaEntry, batch: Batch): void {
  const length = vma.end - vma.start;
  const prot = vma.prot | PROT_WRITE | PROT_READ;
  const flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | (vma.flags & MAP_GROWSDOWN);
  if (vma.flags & MAP_ANONYMOUS) {
    batch.call("mmap", [vma.start, length, prot, flags | MAP_ANONYMOUS, -1, 0]);
    return;
  }
  const fd = openRegistered(task, batch, Number(vma.shmid));
  batch.call("mmap", [vma.start, length, prot, flags, fd, vma.pgoff]);
  batch.call("close", [fd]);
}

function mapSharedFile(task: RestoreTask, vma: VmaEntry, batch: Batch): void {
  const fd = openRegistered(task, batch, Number(vma.shmid));
  batch.call("mmap", [
    vma.start,
    vma.end - vma.start,
    vma.prot,
    MAP_SHARED | MAP_FIXED_NOREPLACE,
    fd,
    vma.pgoff,
  ]);
  batch.call("close", [fd]);
}

/** Images of before CRIU 4.1 count pages in 32 bits. */
function pageCount(entry: PagemapEntry): bigint {
  return entry.nr_pages ?? BigInt(entry.compat_nr_pages);
}

/** Which addresses the pages of a stream belong to; `first` numbers a run's first page in the stream. */
export function* presentRuns(entries: readonly PagemapEntry[]): Generator<Range & { first: number }> {
  let first = 0;
  for (const entry of entries) {
    const pages = pageCount(entry);
    const flags = entry.flags ?? (entry.in_parent ? PE_PARENT : PE_PRESENT);
    if (flags & PE_PARENT) {
      throw new ImageError("pages of a parent checkpoint: not supported yet", { field: "flags" });
    }
    if (!(flags & PE_PRESENT)) continue;
    yield { start: entry.vaddr, end: entry.vaddr + pages * PAGE, first };
    first += Number(pages);
  }
}

/** Writes the pages that a pagemap lists; addresses in it are relative to `base`. */
export function fillPages(
  task: RestoreTask,
  kind: "PAGEMAP" | "SHMEM_PAGEMAP",
  id: number | string,
  base: bigint,
): void {
  const { reader } = task.context;
  if (kind === "SHMEM_PAGEMAP" && !reader.has({ kind, id })) return;
  const [head, ...rest] = reader.read({ kind, id });
  const source = reader.pages((head!.message as PagemapHead).pages_id);
  for (const run of presentRuns(rest.map(({ message }) => message as PagemapEntry))) {
    for (const { start, end } of kind === "PAGEMAP" ? withoutKernels(task, run) : [run]) {
      const first = run.first + Number((start - run.start) / PAGE);
      source.read(first, Number((end - start) / PAGE), (view, offset) =>
        writeMemory(task.pid, base + start + BigInt(offset), view),
      );
    }
  }
}

/** The parts of a range that are not the vDSO's, whose content is placeVdso's business. */
function withoutKernels(task: RestoreTask, { start, end }: Range): Range[] {
  const vdso = task.mm.vmas.find((vma) => is(vma, VMA_VDSO));
  if (!vdso || vdso.end <= start || vdso.start >= end) return [{ start, end }];
  return [
    { start, end: vdso.start },
    { start: vdso.end, end },
  ].filter((part) => part.start < part.end);
}

/** Size of a shared object: what its mappings and its pages reach. */
function sharedSize(task: RestoreTask, vmas: readonly VmaEntry[], shmid: bigint): bigint {
  const { reader } = task.context;
  let size = vmas.reduce((most, vma) => {
    const reach = vma.pgoff + (vma.end - vma.start);
    return reach > most ? reach : most;
  }, 0n);
  const name = { kind: "SHMEM_PAGEMAP", id: shmid.toString() } as const;
  if (reader.has(name)) {
    for (const { message } of reader.read(name).slice(1)) {
      const entry = message as PagemapEntry;
      const reach = entry.vaddr + pageCount(entry) * PAGE;
      if (reach > size) size = reach;
    }
  }
  return size;
}

/**
 * A shared anonymous object is made whole in a hole, filled there, opened through map_files, mapped wherever
 * the task has it, and unmapped from the hole.
 */
function restoreSharedObject(task: RestoreTask, vmas: readonly VmaEntry[], shmid: bigint): void {
  const size = sharedSize(task, vmas, shmid);
  const taken: Range[] = [...task.mm.vmas, ...new ProcPid(task.pid).maps()];
  const whole = findHole(taken, size);
  const make = new Batch();
  make.call("mmap", [
    whole,
    size,
    PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
    -1,
    0,
  ]);
  task.run(make);
  fillPages(task, "SHMEM_PAGEMAP", shmid.toString(), whole);
  const place = new Batch();
  const range = `${whole.toString(16)}-${(whole + size).toString(16)}`;
  const fd = place.call("openat", [AT_FDCWD, place.text(`/proc/${task.pid}/map_files/${range}`), O_RDWR, 0]);
  for (const vma of vmas) {
    place.call("mmap", [
      vma.start,
      vma.end - vma.start,
      vma.prot,
      MAP_SHARED | MAP_FIXED_NOREPLACE,
      fd,
      vma.pgoff,
    ]);
  }
  place.call("close", [fd]);
  place.call("munmap", [whole, size]);
  task.run(place);
}

function restoreShared(task: RestoreTask, vmas: readonly VmaEntry[]): void {
  const objects = new Map<bigint, VmaEntry[]>();
  for (const vma of vmas) {
    if (!is(vma, VMA_ANON_SHARED)) continue;
    objects.set(vma.shmid, [...(objects.get(vma.shmid) ?? []), vma]);
  }
  for (const [shmid, pieces] of objects) restoreSharedObject(task, pieces, shmid);
}

/** Protection and advice, once the content is there. */
function finishMapping(vma: VmaEntry, batch: Batch): void {
  const length = vma.end - vma.start;
  if (isPrivate(vma) && (vma.prot | PROT_WRITE | PROT_READ) !== vma.prot) {
    batch.call("mprotect", [vma.start, length, vma.prot]);
  }
  for (let advice = 0n, bits = vma.madv ?? 0n; bits >> advice; advice++) {
    if ((bits >> advice) & 1n) batch.call("madvise", [vma.start, length, advice]);
  }
  if (vma.flags & MAP_LOCKED) batch.call("mlock", [vma.start, length]);
}

/** The whole of it. After this the task has its own memory, the arena, and nothing else. */
export function restoreAddressSpace(task: RestoreTask): void {
  unmapSeed(task);
  placeVdso(task);
  const vmas = ordinary(task);
  task.inBatches(vmas.filter(isPrivate), MAPPINGS_A_BATCH, (vma, batch) => mapPrivate(task, vma, batch));
  fillPages(task, "PAGEMAP", task.pid, 0n);
  restoreShared(task, vmas);
  const sharedFiles = vmas.filter((vma) => !isPrivate(vma) && !is(vma, VMA_ANON_SHARED));
  task.inBatches(sharedFiles, MAPPINGS_A_BATCH, (vma, batch) => mapSharedFile(task, vma, batch));
  task.inBatches(vmas, MAPPINGS_A_BATCH, finishMapping);
  task.inBatches(
    task.mm.vmas.filter((vma) => is(vma, VMA_GUARD)),
    MAPPINGS_A_BATCH,
    (vma, batch) => {
      batch.call("madvise", [vma.start, vma.end - vma.start, MADV_GUARD_INSTALL]);
    },
  );
}
