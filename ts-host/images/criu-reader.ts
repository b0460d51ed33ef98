/** Reading CRIU's format, of which criu.ts is the other half. Runs wherever the core does. */
import { ImageError } from "../errors.ts";
import type { ImageKind, PagemapEntry } from "../generated/messages.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import type {
  CheckpointReader,
  DrainPages,
  ImageName,
  ImageRecord,
  PageFigures,
  PageSource,
} from "./checkpoint.ts";
import {
  CompressedSource,
  isCompressed,
  type PagemapRecord,
  partsOf,
  withoutCompression,
} from "./criu-compressed.ts";
import { imageFileName, parseImage, parseImageFileName } from "./framing.ts";
import { type FileSource, type RandomFile, readWhole } from "./source.ts";

/** The file whose presence makes a directory a complete checkpoint: the last that is written. */
export const INVENTORY_NAME = imageFileName({ kind: "INVENTORY" });

/** Pages that are copied at once. */
export const CHUNK_PAGES = 128;
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
  readonly #streams = new Map<number, PageSource & { close(): void }>();
  /** For each stream that has compressed pages: the entries whose pages it has. Undefined: not looked for yet. */
  #compressed: Map<number, PagemapEntry[]> | undefined;

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
    const records = parseImage(name.kind, readWhole(file, MAX_IMAGE), file.path);
    return name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP" ? plainEntries(records) : records;
  }

  /** The pagemaps say which streams are compressed: all of them are looked through, once. */
  #compressedStreams(): Map<number, PagemapEntry[]> {
    if (this.#compressed !== undefined) return this.#compressed;
    this.#compressed = new Map();
    for (const name of this.list()) {
      if (name.kind !== "PAGEMAP" && name.kind !== "SHMEM_PAGEMAP") continue;
      const file = this.#source.open(imageFileName(name));
      const records = parseImage(name.kind, readWhole(file, MAX_IMAGE), file.path);
      const { pagesId, present } = partsOf(records as PagemapRecord[]);
      if (pagesId !== undefined && present.some(isCompressed)) this.#compressed.set(pagesId, present);
    }
    return this.#compressed;
  }

  size(name: ImageName): number {
    const file = this.#source.open(imageFileName(name));
    file.close();
    return file.length;
  }

  pageFigures(): PageFigures {
    const figures: PageFigures = { pages: 0, zero: 0, kept: 0, bytes: 0 };
    for (const id of this.streams()) {
      const { length } = this.pages(id);
      figures.pages += length;
      figures.kept += length;
      figures.bytes += this.size({ kind: "PAGES", id });
    }
    return figures;
  }

  streams(): number[] {
    const pages = [...this.#images.values()].filter(({ kind }) => kind === "PAGES");
    return pages.map(({ id }) => id as number).sort((a, b) => a - b);
  }

  pages(id: number): PageSource {
    let source = this.#streams.get(id);
    if (source === undefined) {
      const file = this.#source.open(imageFileName({ kind: "PAGES", id }));
      const entries = this.#compressedStreams().get(id);
      source = entries === undefined ? new RawSource(file) : new CompressedSource(file, entries);
      this.#streams.set(id, source);
    }
    return source;
  }

  close(): void {
    for (const source of this.#streams.values()) source.close();
    this.#streams.clear();
  }
}

/**
 * How pages are compressed is said by the pagemap, and is an affair of this file's alone: entries come without, and
 * pages as they were.
 */
function plainEntries<K extends ImageKind>(records: ImageRecord<K>[]): ImageRecord<K>[] {
  for (const record of records) {
    const entry = record.message as PagemapEntry;
    if (entry.compressed_size?.length > 0)
      record.message = withoutCompression(entry) as ImageRecord<K>["message"];
  }
  return records;
}

/** Pages as they are, one after the other. */
export class RawSource implements PageSource {
  readonly length: number;
  readonly #file: RandomFile;
  /** As large as was needed so far: most are read a few pages of. */
  #buffer = new Uint8Array(0);

  constructor(file: RandomFile) {
    this.#file = file;
    this.length = file.length / PAGE_SIZE;
    if (Number.isInteger(this.length)) return;
    file.close();
    throw new ImageError(`${file.length} bytes are no whole number of pages`, { file: file.path });
  }

  #checkRange(first: number, count: number): void {
    if (first >= 0 && count >= 0 && first + count <= this.length) return;
    const message = `pages ${first} to ${first + count - 1} are not in the file of ${this.length} pages`;
    throw new ImageError(message, { file: this.#file.path });
  }

  read(first: number, count: number, drain: DrainPages): void {
    this.#checkRange(first, count);
    const size = Math.min(CHUNK_PAGES, count) * PAGE_SIZE;
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size);
    for (let done = 0; done < count; ) {
      const pages = Math.min(CHUNK_PAGES, count - done);
      const view = this.#buffer.subarray(0, pages * PAGE_SIZE);
      this.#file.read(view, (first + done) * PAGE_SIZE);
      drain(view, done * PAGE_SIZE);
      done += pages;
    }
  }

  readDirectly(first: number, into: Uint8Array): void {
    this.#checkRange(first, into.length / PAGE_SIZE);
    this.#file.read(into, first * PAGE_SIZE);
  }

  close(): void {
    this.#file.close();
  }
}
