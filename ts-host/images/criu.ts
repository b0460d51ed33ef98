/** CRIU's format: a directory of image files as CRIU itself names and writes them, and `pages-ID.img`, raw pages. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import type { ImageKind } from "../generated/messages.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import type {
  CheckpointReader,
  CheckpointWriter,
  DrainPages,
  FillPages,
  ImageName,
  ImageRecord,
  PageSink,
  PageSource,
} from "./checkpoint.ts";
import { fileCall, InputFile, OutputFile, readWhole } from "./files.ts";
import { imageFileName, parseImage, parseImageFileName, writeImage } from "./framing.ts";
import { Staging } from "./staging.ts";
import { StreamIds } from "./stream-ids.ts";

/** The file whose presence makes a directory a complete checkpoint: the last that is written. */
export const INVENTORY_NAME = imageFileName({ kind: "INVENTORY" });

/** Pages that are copied at once. */
const CHUNK_PAGES = 256;
/** Most bytes of an image file other than pages: it is held in memory. */
const MAX_IMAGE = 2 ** 30;
/** Files of pages: no records. */
const PAGE_KINDS: ImageKind[] = ["PAGES", "PAGES_OLD", "SHM_PAGES_OLD"];

/** Writes a CRIU directory, which is created unless it exists. */
export class CriuWriter implements CheckpointWriter {
  readonly #staging: Staging;
  readonly #streamIds = new StreamIds();
  readonly #buffer = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
  readonly #sinks: RawSink[] = [];
  readonly #names: string[] = [];

  constructor(directory: string) {
    this.#staging = new Staging(directory);
  }

  #create(fileName: string): OutputFile {
    const file = new OutputFile(this.#staging.path(fileName));
    this.#names.push(fileName);
    return file;
  }

  image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]): void {
    const content = writeImage(name.kind, records, imageFileName(name));
    const file = this.#create(imageFileName(name));
    try {
      file.write(content);
    } finally {
      file.close();
    }
  }

  pages(id?: number): PageSink {
    const taken = this.#streamIds.take(id);
    const sink = new RawSink(taken, this.#create(imageFileName({ kind: "PAGES", id: taken })), this.#buffer);
    this.#sinks.push(sink);
    return sink;
  }

  commit(): void {
    for (const sink of this.#sinks) sink.close();
    this.#removeEarlierImages();
    const others = this.#names.filter((name) => name !== INVENTORY_NAME);
    this.#staging.publish(others, INVENTORY_NAME);
  }

  /** CRIU takes some files into account whenever they are there: none of another dump may stay, its inventory least. */
  #removeEarlierImages(): void {
    const { directory } = this.#staging;
    const earlier = readdirSync(directory).filter((name) => parseImageFileName(name) !== undefined);
    for (const name of [INVENTORY_NAME, ...earlier]) {
      const path = join(directory, name);
      fileCall("unlink", path, () => rmSync(path, { force: true }));
    }
  }

  abort(): void {
    for (const sink of this.#sinks) sink.close();
    this.#staging.discard();
  }
}

class RawSink implements PageSink {
  readonly id: number;
  readonly #file: OutputFile;
  readonly #buffer: Uint8Array;

  constructor(id: number, file: OutputFile, buffer: Uint8Array) {
    this.id = id;
    this.#file = file;
    this.#buffer = buffer;
  }

  append(count: number, fill: FillPages): void {
    for (let done = 0; done < count; ) {
      const pages = Math.min(CHUNK_PAGES, count - done);
      const view = this.#buffer.subarray(0, pages * PAGE_SIZE);
      fill(view, done * PAGE_SIZE);
      this.#file.write(view);
      done += pages;
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** Reads a CRIU directory. */
export class CriuReader implements CheckpointReader {
  readonly format = "criu";
  readonly location: string;
  readonly #images = new Map<string, ImageName>();
  readonly #streams = new Map<number, RawSource>();

  constructor(directory: string) {
    this.location = directory;
    for (const fileName of fileCall("readdir", directory, () => readdirSync(directory)).sort()) {
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
    const file = join(this.location, imageFileName(name));
    return parseImage(name.kind, readWhole(file, MAX_IMAGE), file);
  }

  streams(): number[] {
    const pages = [...this.#images.values()].filter(({ kind }) => kind === "PAGES");
    return pages.map(({ id }) => id as number).sort((a, b) => a - b);
  }

  pages(id: number): PageSource {
    let source = this.#streams.get(id);
    if (source === undefined) {
      source = new RawSource(join(this.location, imageFileName({ kind: "PAGES", id })));
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
  readonly #file: InputFile;
  readonly #buffer = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);

  constructor(path: string) {
    this.#file = new InputFile(path);
    this.length = this.#file.length / PAGE_SIZE;
    if (Number.isInteger(this.length)) return;
    this.#file.close();
    throw new ImageError(`${this.#file.length} bytes are no whole number of pages`, { file: path });
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
