/** A chain of incremental checkpoints as one: the images of the last, and all pages wherever they were. */
import { ImageError } from "../errors.ts";
import type { PagemapEntry } from "../generated/messages.ts";
import type { CheckpointWriter, ImageName, PageSink } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { PE_PARENT, PE_PRESENT } from "../images/pagemap-entry.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type PagemapName, pagesInChain } from "./memory.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Progress } from "./progress.ts";

export interface SquashSummary {
  /** Pages in all. */
  pages: number;
  /** Pages by how many checkpoints back they were: the first number is of the last checkpoint. */
  byGeneration: number[];
}

const STEP_PAGES = 4096;

/** Writes one checkpoint that needs no parent, and commits. @throws ImageError where pages are missing */
export function* squash(
  checkpoint: Checkpoint,
  writer: CheckpointWriter,
): Generator<Progress, SquashSummary> {
  const summary: SquashSummary = { pages: 0, byGeneration: [] };
  let isDone = false;
  try {
    const pagemaps = checkpoint.list().filter(isPagemap);
    const total = pagemaps.reduce((sum, name) => sum + checkpoint.pageIndex(name).pages, 0);
    for (const name of checkpoint.list()) {
      yield { done: 0, total };
      if (!isPagemap(name)) writer.image(name, checkpoint.read(name));
    }
    for (const name of pagemaps) {
      const index = checkpoint.pageIndex(name);
      const sink = writer.pages(index.pagesId);
      const entries: PagemapEntry[] = [];
      for (let run = 0; run < index.length; run++) {
        const { first, count, flags } = index.run(run);
        for (const part of pagesInChain(checkpoint, name, first, count)) {
          yield { done: summary.pages, total };
          const { content } = part;
          if (content.is === "stored") {
            yield* copyPages(content, part.count, sink, summary, total);
            addEntry(entries, part.first, part.count, (flags & ~PE_PARENT) | PE_PRESENT);
          } else if (content.is === "outside" && !content.missing) {
            addEntry(entries, part.first, part.count, flags);
          } else {
            const why = content.is === "outside" ? content.why : "";
            throw new ImageError(`page 0x${(part.first * PAGE_SIZE).toString(16)}: ${why}`, {
              file: imageFileName(name),
              record: run + 1,
            });
          }
        }
      }
      writer.image(name, [{ message: { pages_id: sink.id } }, ...entries.map((message) => ({ message }))]);
    }
    for (const _ of writer.finish?.() ?? []) yield { done: total, total };
    writer.commit();
    isDone = true;
    return summary;
  } finally {
    if (!isDone) writer.abort();
  }
}

function isPagemap(name: ImageName): name is PagemapName {
  return name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP";
}

function* copyPages(
  content: { checkpoint: Checkpoint; pagesId: number; first: number; generation: number },
  count: number,
  sink: PageSink,
  summary: SquashSummary,
  total: number,
): Generator<Progress> {
  const source = content.checkpoint.pages(content.pagesId);
  for (let done = 0; done < count; done += STEP_PAGES) {
    yield { done: summary.pages, total };
    const pages = Math.min(STEP_PAGES, count - done);
    sink.append(pages, (view, offset) => {
      const page = content.first + done + offset / PAGE_SIZE;
      source.read(page, view.length / PAGE_SIZE, (bytes, at) => view.set(bytes, at));
    });
    summary.pages += pages;
    summary.byGeneration[content.generation] = (summary.byGeneration[content.generation] ?? 0) + pages;
  }
}

/** Adds pages to the entries, to the last of them if they follow it. */
function addEntry(entries: PagemapEntry[], first: number, count: number, flags: number): void {
  const vaddr = BigInt(first) * BigInt(PAGE_SIZE);
  const last = entries.at(-1);
  if (
    last !== undefined &&
    last.flags === flags &&
    last.vaddr + last.nr_pages! * BigInt(PAGE_SIZE) === vaddr
  ) {
    last.nr_pages! += BigInt(count);
  } else {
    entries.push({ vaddr, compat_nr_pages: 0, flags, nr_pages: BigInt(count), compressed_size: [] });
  }
}
