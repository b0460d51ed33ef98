/** Pages that cannot be read: what is wrong, and whose memory it is. */
import { CriuWasmError } from "../../errors.ts";
import type { ImageName, PageSource } from "../../images/checkpoint.ts";
import { PE_PRESENT } from "../../images/pagemap-entry.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { PAGE_SIZE, type PageIndex } from "../page-index.ts";
import { type Finding, fromError } from "./finding.ts";

/** Pages of a stream. */
interface PageRange {
  first: number;
  end: number;
}

/** One error, and all pages that it is about: equal ones lie in one place. */
interface Damage {
  error: CriuWasmError;
  pages: PageRange[];
}

function errorOf(source: PageSource, first: number, count: number): CriuWasmError | undefined {
  try {
    source.read(first, count, () => {});
    return undefined;
  } catch (error) {
    if (error instanceof CriuWasmError) return error;
    throw error;
  }
}

/** Which pages of those that could not be read together cannot be read, by what is wrong with them. */
function damageIn(source: PageSource, first: number, count: number): Damage[] {
  const found = new Map<string, Damage>();
  for (let page = first; page < first + count; page++) {
    const error = errorOf(source, page, 1);
    if (error === undefined) continue;
    const key = `${error.context.offset} ${error.message}`;
    const damage = found.get(key) ?? { error, pages: [] };
    found.set(key, damage);
    const last = damage.pages.at(-1);
    if (last?.end === page) last.end = page + 1;
    else damage.pages.push({ first: page, end: page + 1 });
  }
  return [...found.values()];
}

/** A pagemap as a table; undefined where that is damaged too. */
function indexOf(
  checkpoint: Checkpoint,
  name: ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">,
): PageIndex | undefined {
  try {
    return checkpoint.pageIndex(name);
  } catch (error) {
    if (error instanceof CriuWasmError) return undefined;
    throw error;
  }
}

/** Where the pages of a stream belong: `0x7f0000-0x7f4000 of process 812`. */
function* placesOf(checkpoint: Checkpoint, stream: number, { first, end }: PageRange): Generator<string> {
  for (const { kind, id } of checkpoint.list()) {
    if (kind !== "PAGEMAP" && kind !== "SHMEM_PAGEMAP") continue;
    const index = indexOf(checkpoint, { kind, id });
    if (index?.pagesId !== stream) continue;
    const owner = kind === "PAGEMAP" ? `process ${id}` : `shared memory ${id}`;
    for (let number = 0; number < index.length; number++) {
      const run = index.run(number);
      const from = Math.max(first, run.inStream);
      const to = Math.min(end, run.inStream + run.count);
      if ((run.flags & PE_PRESENT) === 0 || from >= to) continue;
      const address = (page: number) => BigInt(run.first + page - run.inStream) * BigInt(PAGE_SIZE);
      yield `0x${address(from).toString(16)}-0x${address(to).toString(16)} of ${owner}`;
    }
  }
}

/** The file that an error names, from the checkpoint's directory if it is in there. */
function fileOf({ context }: CriuWasmError, { location }: Checkpoint): string | undefined {
  return context.file?.startsWith(`${location}/`) ? context.file.slice(location.length + 1) : context.file;
}

/** Reads pages of a stream, whose checksums are compared on the way, and tells which of them are damaged. */
export function* readOrTell(
  checkpoint: Checkpoint,
  stream: number,
  first: number,
  count: number,
  file: string,
): Generator<Finding> {
  const source = checkpoint.pages(stream);
  if (errorOf(source, first, count) === undefined) return;
  for (const damage of damageIn(source, first, count)) {
    const finding = fromError(damage.error, fileOf(damage.error, checkpoint) ?? file);
    const places = damage.pages.flatMap((range) => [...placesOf(checkpoint, stream, range)]).join(", ");
    yield { ...finding, message: places === "" ? finding.message : `${finding.message}: ${places}` };
  }
}
