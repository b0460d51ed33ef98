/** Dump of page content: which pages are a task's own, and copying them into the page streams. */
import { closeSync, openSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { PagemapEntry, VmaEntry } from "../../generated/messages.ts";
import type { PageSink } from "../../images/checkpoint.ts";
import { PE_LAZY, PE_PRESENT } from "../../images/pagemap-entry.ts";
import {
  PAGE_IS_FILE,
  PAGE_IS_GUARD,
  PAGE_IS_PFNZERO,
  PAGE_IS_PRESENT,
  PAGE_IS_SWAPPED,
  PAGEMAP_SCAN,
  pageRegion,
  pmScanArg,
} from "../../kernel/abi/pagemap.ts";
import { call } from "../../native/calls.ts";
import { addressOf } from "../../native/ffi.ts";
import { type Range, readRanges } from "../../remote/memory.ts";
import { PagePipes } from "../../remote/page-pipes.ts";
import { append, intersections, RangeCursor } from "../../remote/ranges.ts";
import { canBeLazy, is, isDroppable, isPrivate, VMA_GUARD, VMA_VDSO, VMA_VSYSCALL, VMA_VVAR } from "./vma.ts";

export const PAGE = 4096n;

/** Number of pages in a range. */
export const pagesIn = ({ start, end }: Range) => Number((end - start) / PAGE);

/** For how many pages it is worth while to make pipes: 4 MiB. */
const PAGES_FOR_PIPES = 1024;
/** How many go through them between two steps of progress: 16 MiB. */
const PAGES_AT_ONCE = 4096;

/** What the page tables of a task say. All ranges in order of address. */
export interface PageTables {
  /** Pages of the task's own: with content, and neither a file's nor the zero page. */
  own: Range[];
  /** Pages that MADV_GUARD_INSTALL has made fatal to touch. */
  guards: Range[];
}

const REGIONS = 4096;
const REGION_WORDS = pageRegion.size / 8;

/** Walks all page tables once, with PAGEMAP_SCAN. */
export function scanPageTables(pid: number, { start, end }: Range): PageTables {
  const found: PageTables = { own: [], guards: [] };
  const regions = new BigUint64Array(REGIONS * REGION_WORDS);
  const fd = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    for (let at = start; at < end; ) {
      const arg = Buffer.from(
        pmScanArg.pack({
          size: BigInt(pmScanArg.size),
          start: at,
          end,
          vec: addressOf(new Uint8Array(regions.buffer)),
          vec_len: BigInt(REGIONS),
          category_inverted: BigInt(PAGE_IS_FILE | PAGE_IS_PFNZERO),
          category_mask: BigInt(PAGE_IS_FILE | PAGE_IS_PFNZERO),
          // A guard is kept where a swapped page would be.
          category_anyof_mask: BigInt(PAGE_IS_PRESENT | PAGE_IS_SWAPPED),
          // Neighbours that agree in this come as one region.
          return_mask: BigInt(PAGE_IS_GUARD),
        }),
      );
      const count = Number(call("ioctl", fd, PAGEMAP_SCAN, arg));
      for (let word = 0; word < count * REGION_WORDS; word += REGION_WORDS) {
        const ranges = regions[word + 2] === 0n ? found.own : found.guards;
        append(ranges, regions[word]!, regions[word + 1]!);
      }
      if (count < REGIONS) break;
      // Not walk_end: where the walk took several rounds inside the kernel, that is of an earlier one.
      at = regions[(count - 1) * REGION_WORDS + 1]!;
    }
  } finally {
    closeSync(fd);
  }
  return found;
}

interface ContentRange extends Range {
  /** Of the pagemap entry. */
  flags: number;
}

export function pagemapEntry(range: Range, flags: number): PagemapEntry {
  return {
    vaddr: range.start,
    compat_nr_pages: 0,
    flags,
    nr_pages: (range.end - range.start) / PAGE,
    compressed_size: [],
  };
}

const isVdso = (vma: VmaEntry) => is(vma, VMA_VDSO);

/** Ranges whose content belongs to the checkpoint, joined where they meet and agree. */
function contentRanges(task: DumpTask, vmas: readonly VmaEntry[], own: readonly Range[]): ContentRange[] {
  const ranges: ContentRange[] = [];
  const add = (start: bigint, end: bigint, flags: number) => {
    const last = ranges.at(-1);
    if (last && last.end === start && last.flags === flags) last.end = end;
    else ranges.push({ start, end, flags });
  };
  const holders = vmas.filter(
    (vma) => isPrivate(vma) && !is(vma, VMA_VVAR | VMA_VSYSCALL) && !isDroppable(vma),
  );
  for (const vma of holders) task.pageCounts.pagesScanned += pagesIn(vma);
  // The vDSO is the kernel's, but another kernel has another one.
  const [vdso, others] = [holders.filter(isVdso), holders.filter((vma) => !isVdso(vma))];
  const parts = [
    ...intersections(own, others),
    ...vdso.map((window) => ({ start: window.start, end: window.end, window })),
  ];
  parts.sort((a, b) => (a.start < b.start ? -1 : 1));
  for (const { start, end, window } of parts) {
    add(start, end, canBeLazy(window) ? PE_PRESENT | PE_LAZY : PE_PRESENT);
  }
  return ranges;
}

/** Where the private memory of a task is read from: itself while it is stopped, or a snapshot. */
export interface PrivateMemory {
  scan(range: Range): PageTables;
  /** Fills `into` with what the ranges hold, one after the other. */
  read(ranges: readonly Range[], into: Uint8Array): void;
  /** A shorter way for much memory, where there is one. */
  openPipes?(): PagePipes | undefined;
}

/** The memory of a stopped task, read from itself. */
export class StoppedMemory implements PrivateMemory {
  private readonly task: DumpTask;

  constructor(task: DumpTask) {
    this.task = task;
  }

  scan(range: Range): PageTables {
    return scanPageTables(this.task.pid, range);
  }

  read(ranges: readonly Range[], into: Uint8Array): void {
    readRanges(this.task.pid, ranges, into);
  }

  openPipes(): PagePipes | undefined {
    return PagePipes.open(this.task.pid, this.task.leader.remote);
  }
}

/** Brings `pages` pages, the content of the ranges, to a page stream. */
function copyPages(sink: PageSink, pages: number, ranges: readonly Range[], memory: PrivateMemory): void {
  const cursor = new RangeCursor(ranges);
  const pipes = sink.appendDirectly && pages >= PAGES_FOR_PIPES ? memory.openPipes?.() : undefined;
  if (!pipes) {
    sink.append(pages, (view) => memory.read(cursor.take(view.length), view));
    return;
  }
  try {
    for (let left = pages; left > 0; ) {
      const count = Math.min(left, PAGES_AT_ONCE);
      const part = cursor.take(count * Number(PAGE));
      sink.appendDirectly!(count, (file, offset) => pipes.move(part, file, offset));
      left -= count;
    }
  } finally {
    pipes.close();
  }
}

/**
 * Copies the private pages: one page stream, and the pagemap that says what is where. Guard ranges are added to
 * the mappings, as the entries that CRIU's images end their list with.
 */
export function dumpPrivatePages(task: DumpTask, vmas: VmaEntry[], memory: PrivateMemory): void {
  const sink = task.context.writer!.pages();
  const name = { kind: "PAGEMAP", id: task.pid } as const;
  task.images.append(name, { message: { pages_id: sink.id } });
  const mapped = vmas.filter((vma) => !is(vma, VMA_VSYSCALL));
  const { own, guards } = memory.scan({ start: mapped[0]!.start, end: mapped.at(-1)!.end });
  const ranges = contentRanges(task, vmas, own);
  let pages = 0;
  for (const range of ranges) {
    const entry = pagemapEntry(range, range.flags);
    task.images.append(name, { message: entry });
    pages += Number(entry.nr_pages);
  }
  copyPages(sink, pages, ranges, memory);
  task.pageCounts.pagesWritten += pages;
  vmas.push(...guardEntries(guards, mapped));
}

function guardEntries(guards: readonly Range[], vmas: readonly VmaEntry[]): VmaEntry[] {
  return [...intersections(guards, vmas)].map(({ start, end }) => ({
    start,
    end,
    pgoff: 0n,
    shmid: 0n,
    prot: 0,
    flags: 0,
    status: VMA_GUARD,
    fd: -1n,
  }));
}
