/** CRIU's format: a directory of image files as CRIU itself names and writes them, and `pages-ID.img`, pages. */
import { readdirSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError } from "../errors.ts";
import type { ImageKind, PagemapEntry } from "../generated/messages.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import type {
  CheckpointWriter,
  FillPages,
  ImageName,
  ImageRecord,
  PageSink,
  PutPages,
} from "./checkpoint.ts";
import { compressEntries, type PagemapRecord, partsOf } from "./criu-compressed.ts";
import { CHUNK_PAGES, INVENTORY_NAME, RawSource } from "./criu-reader.ts";
import { fileCall, InputFile, OutputFile } from "./files.ts";
import { imageFileName, parseImageFileName, writeImage } from "./framing.ts";
import { Staging } from "./staging.ts";
import { StreamIds } from "./stream-ids.ts";

/** Writes a CRIU directory, which is created unless it exists. */
export class CriuWriter implements CheckpointWriter {
  readonly #staging: Staging;
  readonly #streamIds = new StreamIds();
  readonly #buffer = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
  readonly #sinks: RawSink[] = [];
  readonly #names: string[] = [];
  readonly #blockPages: number | undefined;
  /** Pagemaps, until their pages are compressed. */
  readonly #pagemaps: { name: ImageName; records: PagemapRecord[] }[] = [];

  /** `blockPages`: compress so many pages at once, 1 to MAX_BLOCK_PAGES; not given: pages are kept as they are. */
  constructor(directory: string, blockPages?: number) {
    this.#staging = new Staging(directory);
    this.#blockPages = blockPages;
  }

  #create(fileName: string): OutputFile {
    const file = new OutputFile(this.#staging.path(fileName));
    this.#names.push(fileName);
    return file;
  }

  image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]): void {
    const isPagemap = name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP";
    if (isPagemap && this.#blockPages !== undefined)
      this.#pagemaps.push({ name, records: records as PagemapRecord[] });
    else this.#writeImage(name, records);
  }

  #writeImage<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]): void {
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

  /** Blocks begin with each entry of the pagemap: only when all are known can pages be compressed. */
  *finish(): Generator<number, void> {
    for (const sink of this.#sinks) sink.close();
    let before = 0;
    for (let next = this.#pagemaps.shift(); next !== undefined; next = this.#pagemaps.shift()) {
      let done = 0;
      for (done of this.#compress(next.name, next.records, this.#blockPages!)) yield before + done;
      before += done;
    }
  }

  commit(): void {
    for (const _ of this.finish());
    this.#removeEarlierImages();
    const others = this.#names.filter((name) => name !== INVENTORY_NAME);
    this.#staging.publish(others, INVENTORY_NAME);
  }

  *#compress(name: ImageName, records: PagemapRecord[], blockPages: number): Generator<number, void> {
    const { pagesId, present } = partsOf(records);
    const fileName = imageFileName({ kind: "PAGES", id: pagesId });
    if (pagesId === undefined || present.length === 0 || !this.#names.includes(fileName)) {
      this.#writeImage(name, records);
      return;
    }
    const path = this.#staging.path(fileName);
    const source = new RawSource(new InputFile(path));
    const output = new OutputFile(`${path}.compressed`);
    try {
      const entries = records.slice(1).map(({ message }) => message as PagemapEntry);
      const compressed = yield* compressEntries(entries, source, blockPages, (bytes) => output.write(bytes));
      this.#writeImage(name, [records[0], ...compressed.map((message) => ({ message }))] as ImageRecord[]);
    } finally {
      source.close();
      output.close();
    }
    fileCall("rename", path, () => renameSync(output.path, path));
  }

  /** CRIU takes some files into account whenever they are there: none of another dump may stay, its inventory shortest. */
  #removeEarlierImages(): void {
    const { directory } = this.#staging;
    const earlier = readdirSync(directory).filter((name) => parseImageFileName(name) !== undefined);
    earlier.sort((a, b) => Number(b === INVENTORY_NAME) - Number(a === INVENTORY_NAME));
    for (const name of earlier) {
      const path = join(directory, name);
      fileCall("unlink", path, () => unlinkSync(path));
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

  appendDirectly(count: number, put: PutPages): void {
    try {
      this.#file.append(count * PAGE_SIZE, put);
    } catch (error) {
      throw error instanceof CriuWasmError ? error.within({ file: this.#file.path }) : error;
    }
  }

  close(): void {
    this.#file.close();
  }
}
