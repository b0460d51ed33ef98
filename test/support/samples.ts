/** Copies of CRIU's checkpoints in test/data, with pages. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ImageKind } from "../../ts-host/generated/messages.ts";
import type { CheckpointReader, ImageName, ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { CriuReader } from "../../ts-host/images/criu-reader.ts";
import { DirectorySource } from "../../ts-host/images/directory.ts";
import { imageFileName, writeImage } from "../../ts-host/images/framing.ts";
import { mixedPages, randomNumbers } from "./pages.ts";

/** Checkpoints that CRIU has made. */
export const SAMPLES = "test/data/criu-images";

/** A directory that goes when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "criu-wasm-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Pages that each stream has to have, by its id. */
export function pagesWanted(reader: CheckpointReader): Map<number, number> {
  const wanted = new Map<number, number>();
  for (const name of reader.list()) {
    if (name.kind !== "PAGEMAP" && name.kind !== "SHMEM_PAGEMAP") continue;
    const [head, ...entries] = reader.read(name) as ImageRecord<"PAGEMAP">[];
    const { pages_id } = head.message as { pages_id: number };
    let pages = wanted.get(pages_id) ?? 0;
    for (const { message } of entries) {
      const { flags, nr_pages, compat_nr_pages } = message as {
        flags?: number;
        nr_pages?: bigint;
        compat_nr_pages: number;
      };
      if (flags === undefined || flags & 4) pages += Number(nr_pages ?? compat_nr_pages);
    }
    wanted.set(pages_id, pages);
  }
  return wanted;
}

/** A sample with the pages that its pagemaps ask for: the samples come without. */
export function sampleDirectory(t: TestContext, sample: string): string {
  const directory = join(temporaryDirectory(t), sample);
  cpSync(join(SAMPLES, sample), directory, { recursive: true });
  const random = randomNumbers(21);
  for (const [id, pages] of pagesWanted(new CriuReader(new DirectorySource(directory)))) {
    writeFileSync(join(directory, `pages-${id}.img`), mixedPages(pages, random));
  }
  return directory;
}

/** A copy of a sample in which `change` has changed the records of one image. */
export function changedSample<K extends ImageKind>(
  t: TestContext,
  sample: string,
  name: ImageName<K>,
  change: (records: ImageRecord<K>[]) => void,
): string {
  const directory = sampleDirectory(t, sample);
  changeImage(directory, name, change);
  return directory;
}

/** Changes the records of one image in a directory of CRIU's format; without it, it begins with none. */
export function changeImage<K extends ImageKind>(
  directory: string,
  name: ImageName<K>,
  change: (records: ImageRecord<K>[]) => void,
): void {
  const reader = new CriuReader(new DirectorySource(directory));
  const records = reader.has(name) ? reader.read(name) : [];
  change(records);
  writeFileSync(join(directory, imageFileName(name)), writeImage(name.kind, records));
}
