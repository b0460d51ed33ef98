/**
 * A chain of CRIU's incremental checkpoints without the pages that a later one has anew, as CRIU's own dedup does
 * it: holes take their place in the files of pages. The last checkpoint restores as before; those before it do not.
 */
import { renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { UnsupportedError } from "../errors.ts";
import { fileCall, OutputFile } from "../images/files.ts";
import { imageFileName } from "../images/framing.ts";
import { PE_PRESENT } from "../images/pagemap-entry.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { PagemapName } from "./memory.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Progress } from "./progress.ts";

export interface DedupSummary {
  /** Pages that became holes. */
  pages: number;
  /** Checkpoints of the chain that were changed. */
  checkpoints: number;
}

/** Pages of one stream that are not needed any more: pairs of the first and the number of them. */
type Holes = Map<number, { first: number; count: number }[]>;

const STEP_PAGES = 4096;

/** Changes the checkpoints that `last` continues, in place. */
export function* dedup(last: Checkpoint): Generator<Progress, DedupSummary> {
  const summary: DedupSummary = { pages: 0, checkpoints: 0 };
  const generations = chainOf(last);
  for (const checkpoint of generations) {
    if (checkpoint.format !== "criu") {
      throw new UnsupportedError("a native checkpoint keeps each page once already", {
        file: checkpoint.location,
      });
    }
  }
  for (let age = 1; age < generations.length; age++) {
    const holes: Holes = new Map();
    for (const younger of generations.slice(0, age)) addHoles(younger, generations[age], holes);
    const before = summary.pages;
    for (const [id, list] of holes) summary.pages += yield* punch(generations[age], id, list);
    if (summary.pages > before) summary.checkpoints++;
  }
  return summary;
}

function chainOf(last: Checkpoint): Checkpoint[] {
  const chain: Checkpoint[] = [];
  for (
    let checkpoint: Checkpoint | undefined = last;
    checkpoint !== undefined;
    checkpoint = checkpoint.parent
  ) {
    chain.push(checkpoint);
  }
  return chain;
}

/** What `younger` has of the pages that `older` has too. */
function addHoles(younger: Checkpoint, older: Checkpoint, holes: Holes): void {
  for (const name of younger.list()) {
    if ((name.kind !== "PAGEMAP" && name.kind !== "SHMEM_PAGEMAP") || !older.has(name)) continue;
    const young = younger.pageIndex(name as PagemapName);
    const old = older.pageIndex(name as PagemapName);
    const list = holes.get(old.pagesId) ?? [];
    holes.set(old.pagesId, list);
    for (let index = 0; index < young.length; index++) {
      const { first, count, flags } = young.run(index);
      if ((flags & PE_PRESENT) === 0) continue;
      for (const run of old.within(first, count)) {
        if (run.flags & PE_PRESENT) list.push({ first: run.inStream, count: run.count });
      }
    }
  }
}

/** Writes the file of pages anew, with holes; answers how many pages they are. */
function* punch(
  checkpoint: Checkpoint,
  id: number,
  list: { first: number; count: number }[],
): Generator<Progress, number> {
  const source = checkpoint.pages(id);
  const isHole = new Uint8Array(source.length);
  for (const { first, count } of list) isHole.fill(1, first, first + count);
  const holes = isHole.reduce((sum, hole) => sum + hole, 0);
  if (holes === 0) return 0;
  const path = join(checkpoint.location, imageFileName({ kind: "PAGES", id }));
  if (statSync(path).size !== source.length * PAGE_SIZE) {
    throw new UnsupportedError("compressed pages cannot become holes", {
      file: path,
      hint: "criu-wasm squash makes one checkpoint of the chain",
    });
  }
  const growing = `${path}.incomplete`;
  const file = new OutputFile(growing);
  let isWhole = false;
  try {
    for (let page = 0; page < source.length; ) {
      yield { done: page, total: source.length };
      let end = page;
      while (end < source.length && end - page < STEP_PAGES && isHole[end] === isHole[page]) end++;
      if (isHole[page]) file.skip((end - page) * PAGE_SIZE);
      else source.read(page, end - page, (view) => file.write(view));
      page = end;
    }
    file.close();
    fileCall("rename", path, () => renameSync(growing, path));
    isWhole = true;
  } finally {
    file.close();
    if (!isWhole) rmSync(growing, { force: true });
  }
  return holes;
}
