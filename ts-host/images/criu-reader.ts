/** Reading CRIU's format, of which criu.ts is the other half. Runs wherever the core does. */
import { ImageError } from "../errors.ts";
import type { ImageKind } from "../generated/messages.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import type {
  CheckpointReader,
  DrainPages,
  ImageName,
  ImageRecord,
  PageFigures,
  PageSource,
} from "./checkpoint.ts";
import { imageFileName, parseImage, parseImageFileName } from "./framing.ts";
import { type FileSource, type RandomFile, readWhole } from "./source.ts";

/** The file whose presence makes a directory a complete checkpoint: the last that is written. */
export const INVENTORY_NAME = imageFileName({ kind: "INVENTORY" });

/** Pages that are copied at once. */
export const CHUNK_PAGES = 64;
/** Most bytes of an image file other than pages: it is held in memory. */
const MAX_IMAGE = 2 ** 30;
/** Files of pages: no records. */
const PAGE_KINDS: ImageKind[] = ["PAGES", "PAGES_OLD", "SHM_PAGES_OLD"];

/** Reads a CRIU directory. */
export class CriuReader implements CheckpointReader {
  readonly format = "criu";
  readonly location: string;
  readonly #source: FileSource;
  readonly #images = new Map<string, ImageName>();
  readonly #streams = new Map<number, RawSource>();

  constructor(source: FileSource) {
    this.location = source.location;
    this.#source = source;
    for (const fileName of source.list().sort()) {
      const name = parseImageFileName(fileName);
      if (name !== undefined) this.#images.set(fileName, name);
    }
  }

  list(): ImageName[] {
    return [...this.#images.values()].filter(({ kind }) => !PAGE_KINDS.includes(kind));
  }

  has(name: ImageName): boolean {
    return this.#images.has(imageFileName(name));
  }

  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    const file = this.#source.open(imageFileName(name));
    return parseImage(name.kind, readWhole(file, MAX_IMAGE), file.path);
  }

  size(name: ImageName): number {
    const file = this.#source.open(imageFileName(name));
    file.close();
    return file.length;
  }

  pageFigures(): PageFigures {
    const lengths = this.streams().map((id) => this.pages(id).length);
    const pages = lengths.reduce((sum, length) => sum + length, 0);
    return { pages, zero: 0, kept: pages, bytes: pages * PAGE_SIZE };
  }

  streams(): number[] {
    const pages = [...this.#images.values()].filter(({ kind }) => kind === "PAGES");
    return pages.map(({ id }) => id as number).sort((a, b) => a - b);
  }

  pages(id: number): PageSource {
    let source = this.#streams.get(id);
    if (source === undefined) {
      source = new RawSource(this.#source.open(imageFileName({ kind: "PAGES", id })));
      this.#streams.set(id, source);
    }
    return source;
  }

  close(): void {
    for (const source of this.#streams.values()) source.close();
    this.#streams.clear();
  }
}

class RawSource implements PageSource {
  readonly length: number;
  readonly #file: RandomFile;
  readonly #buffer = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);

  constructor(file: RandomFile) {
    this.#file = file;
    this.length = file.length / PAGE_SIZE;
    if (Number.isInteger(this.length)) return;
    file.close();
    throw new ImageError(`${file.length} bytes are no whole number of pages`, { file: file.path });
  }

  read(first: number, count: number, drain: DrainPages): void {
    if (first < 0 || count < 0 || first + count > this.length) {
      throw new ImageError(
        `pages ${first} to ${first + count - 1} are not in the file of ${this.length} pages`,
        {
          file: this.#file.path,
        },
      );
    }
    for (let done = 0; done < count; ) {
      const pages = Math.min(CHUNK_PAGES, count - done);
      const view = this.#buffer.subarray(0, pages * PAGE_SIZE);
      this.#file.read(view, (first + done) * PAGE_SIZE);
      drain(view, done * PAGE_SIZE);
      done += pages;
    }
  }

  close(): void {
    this.#file.close();
  }
}
