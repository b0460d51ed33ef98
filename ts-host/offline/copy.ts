/** A checkpoint written anew, as it is or with changes: what conversion, rewriting and scrubbing have in common. */
import { UnsupportedError } from "../errors.ts";
import type { ImageKind, PagemapEntry } from "../generated/messages.ts";
import type { CheckpointReader, CheckpointWriter, ImageName, ImageRecord } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { flagsOf, PE_PARENT } from "../images/pagemap-entry.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Progress } from "./progress.ts";

export interface Changes {
  /** The records of an image as they are to be written, and its name. */
  image?<K extends ImageKind>(
    name: ImageName<K>,
    records: ImageRecord<K>[],
  ): { name: ImageName<K>; records: ImageRecord<K>[] };
  /** May change bytes of `pages`, which are those of stream `id` from page `first` on. */
  pages?(id: number, first: number, pages: Uint8Array): void;
}

/** Pages between two moments at which the work can be interrupted. */
const STEP_PAGES = 4096;

/** Copies everything and commits; on failure, or when it is ended, what was written is removed. */
export function* copyCheckpoint(
  reader: CheckpointReader,
  writer: CheckpointWriter,
  changes: Changes = {},
): Generator<Progress, void> {
  let isDone = false;
  try {
    const streams = reader.streams();
    const pages = streams.reduce((sum, id) => sum + reader.pages(id).length, 0);
    const total = writer.finish === undefined ? pages : 2 * pages;
    let done = 0;
    for (const name of reader.list()) {
      yield { done, total };
      copyImage(reader, writer, changes, name);
    }
    for (const id of streams) {
      const source = reader.pages(id);
      const sink = writer.pages(id);
      for (let first = 0; first < source.length; first += STEP_PAGES) {
        yield { done: done + first, total };
        sink.append(Math.min(STEP_PAGES, source.length - first), (view, offset) => {
          const page = first + offset / PAGE_SIZE;
          source.read(page, view.length / PAGE_SIZE, (pages, at) => view.set(pages, at));
          changes.pages?.(id, page, view);
        });
      }
      done += source.length;
    }
    for (const finished of writer.finish?.() ?? []) yield { done: done + finished, total };
    writer.commit();
    isDone = true;
  } finally {
    if (!isDone) writer.abort();
  }
}

function copyImage<K extends ImageKind>(
  reader: CheckpointReader,
  writer: CheckpointWriter,
  changes: Changes,
  name: ImageName<K>,
): void {
  const records = reader.read(name);
  if (name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP") {
    for (const [index, record] of records.slice(1).entries()) refuseForeignPages(name, record, index + 1);
  }
  const changed = changes.image?.(name, records) ?? { name, records };
  writer.image(changed.name, changed.records);
}

/** Pages that do not lie in this checkpoint as they are would be lost. */
function refuseForeignPages(name: ImageName, record: ImageRecord, index: number): void {
  const entry = record.message as PagemapEntry;
  const context = { file: imageFileName(name), record: index };
  if ((flagsOf(entry) & PE_PARENT) !== 0) {
    throw new UnsupportedError("pages of a parent checkpoint are not in this one", {
      ...context,
      hint: "criu-wasm squash makes one checkpoint of the chain",
    });
  }
  // Readers of CRIU's images give entries without it.
  if (entry.compressed_size.length > 0) {
    throw new UnsupportedError(
      "says that its pages are compressed, which only pages of CRIU's images are",
      context,
    );
  }
}
