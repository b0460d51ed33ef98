/** Restore of page content: what a pagemap lists is read from its page stream and written to where it belongs. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { ImageError } from "../../errors.ts";
import type { PagemapEntry, PagemapHead } from "../../generated/messages.ts";
import type { PageSource } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { flagsOf, PE_PARENT, PE_PRESENT, pagesOf } from "../../images/pagemap-entry.ts";
import type { Range } from "../../remote/memory.ts";
import { RangeCursor } from "../../remote/ranges.ts";
import { PAGE, pagesIn } from "./pages.ts";

/** Pages that are neighbours in memory and in their stream. */
export interface PageRun extends Range {
  /** Number of the first in the stream. */
  first: number;
}

export interface Pagemap {
  runs: PageRun[];
  source: PageSource;
  /** Whose memory it is, for messages. */
  owner: string;
}

type PagemapKind = "PAGEMAP" | "SHMEM_PAGEMAP";

/** The pagemap of a task (id: its pid) or of a shared object (id: its shmid). */
export function readPagemap(task: RestoreTask, kind: PagemapKind, id: number | string): Pagemap {
  const { reader } = task.context;
  const name = { kind, id };
  const [head, ...entries] = reader.read(name);
  if (!head) throw new ImageError("no record: the image was cut", { file: imageFileName(name) });
  const { pages_id } = head.message as PagemapHead;
  const source = reader.pages(pages_id);
  const runs = presentRuns(entries.map(({ message }) => message as PagemapEntry));
  const pages = runs.reduce((sum, run) => sum + pagesIn(run), 0);
  if (pages !== source.length) {
    throw new ImageError(
      `lists ${pages} pages, but ${source.length} are stored for it: one of both was cut`,
      {
        file: imageFileName(name),
        record: entries.length,
      },
    );
  }
  return { runs, source, owner: `${kind === "PAGEMAP" ? "process" : "shared memory"} ${id}` };
}

const privatePagemaps = new WeakMap<RestoreTask, Pagemap>();

/** The pagemap of the task's private memory, read once. */
export function privatePagemap(task: RestoreTask): Pagemap {
  let pagemap = privatePagemaps.get(task);
  if (!pagemap) {
    pagemap = readPagemap(task, "PAGEMAP", task.pid);
    privatePagemaps.set(task, pagemap);
  }
  return pagemap;
}

function presentRuns(entries: readonly PagemapEntry[]): PageRun[] {
  const runs: PageRun[] = [];
  let first = 0;
  for (const entry of entries) {
    const pages = pagesOf(entry);
    const flags = flagsOf(entry);
    if (flags & PE_PARENT) {
      throw new ImageError("pages of a parent checkpoint: not supported yet", { field: "flags" });
    }
    if (!(flags & PE_PRESENT)) continue;
    runs.push({ start: entry.vaddr, end: entry.vaddr + pages * PAGE, first });
    first += Number(pages);
  }
  return runs;
}

/** Takes the content of ranges that follow one another in the stream. */
export type TakeContent = (ranges: readonly Range[], content: Uint8Array) => void;

/** Reads all of `runs`, which are the pagemap's, in order, and as much at once as the source gives. */
export function readRuns(pagemap: Pagemap, runs: readonly PageRun[], take: TakeContent): void {
  for (let at = 0; at < runs.length; ) {
    const group = neighboursFrom(runs, at);
    const cursor = new RangeCursor(group);
    const { first } = group[0]!;
    const end = first + group.reduce((sum, range) => sum + pagesIn(range), 0);
    let next = first;
    try {
      pagemap.source.read(first, end - first, (view) => {
        take(cursor.take(view.length), view);
        next += view.length / Number(PAGE);
      });
    } catch (error) {
      throw error instanceof ImageError ? withAddress(error, pagemap, next, end) : error;
    }
    at += group.length;
  }
}

/** The error, and the address of the first page from number `next` on that cannot be read. */
function withAddress(
  error: ImageError,
  { source, runs, owner }: Pagemap,
  next: number,
  end: number,
): ImageError {
  let page = next;
  while (page < end && isReadable(source, page)) page++;
  const run = runs.find((each) => each.first <= page && page < each.first + pagesIn(each));
  if (run === undefined) return error;
  const address = run.start + BigInt(page - run.first) * PAGE;
  const message = `${error.message}: the page at 0x${address.toString(16)} of ${owner}`;
  const hint = "criu-wasm validate names every page that is damaged";
  return new ImageError(message, { hint, ...error.context }, error);
}

function isReadable(source: PageSource, page: number): boolean {
  try {
    source.read(page, 1, () => {});
    return true;
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}

/** Runs from number `at` on that follow one another in the stream. */
function neighboursFrom(runs: readonly PageRun[], at: number): PageRun[] {
  let end = at + 1;
  const next = (run: PageRun) => run.first + pagesIn(run);
  while (end < runs.length && runs[end]!.first === next(runs[end - 1]!)) end++;
  return runs.slice(at, end);
}

/** The runs without what lies in `hole`. */
export function withoutHole(runs: readonly PageRun[], hole: Range): PageRun[] {
  return runs.flatMap((run) => {
    if (hole.end <= run.start || hole.start >= run.end) return [run];
    const after = { start: hole.end, end: run.end, first: run.first + Number((hole.end - run.start) / PAGE) };
    return [{ ...run, end: hole.start }, after].filter(({ start, end }) => start < end);
  });
}
