/**
 * A checkpoint to look into, of either format, on any system: no Linux, no privileges, nothing native.
 *
 * All of it is synchronous. Images are read when they are asked for and forgotten, but for the tables that are
 * looked up often; pages are read one piece at a time.
 */
import { ImageError } from "../errors.ts";
import type { FileEntry, ImageKind, InventoryEntry, MemfdInodeEntry } from "../generated/messages.ts";
import type { CheckpointReader, ImageName, ImageRecord, PageSource } from "../images/checkpoint.ts";
import { CriuReader } from "../images/criu-reader.ts";
import { METADATA_NAME } from "../images/native-format.ts";
import { openSource } from "../images/open-source.ts";
import type { FileSource } from "../images/source.ts";
import { readFiles } from "./files.ts";
import { PageIndex } from "./page-index.ts";
import { Process } from "./process.ts";

/** Longer chains of incremental checkpoints are refused: one that leads back to itself would have no end. */
const MAX_GENERATIONS = 1000;

export class Checkpoint {
  readonly reader: CheckpointReader;
  /** The files that it is read from. */
  readonly source: FileSource;
  readonly #generation: number;
  readonly #afterClose: () => void;
  #parent: Checkpoint | undefined | "unknown" = "unknown";
  #inventory: InventoryEntry | undefined;
  #processes: Process[] | undefined;
  #files: ReadonlyMap<number, FileEntry> | undefined;
  #memfds: ReadonlyMap<bigint, MemfdInodeEntry> | undefined;
  readonly #indexes = new Map<string, PageIndex>();
  readonly #sources = new Map<number, PageSource>();

  private constructor(
    reader: CheckpointReader,
    source: FileSource,
    generation: number,
    afterClose: () => void = () => {},
  ) {
    this.#afterClose = afterClose;
    this.reader = reader;
    this.source = source;
    this.#generation = generation;
  }

  /** Finds out the format. `afterClose` lets go of what the source needs. @throws ImageError where there is no checkpoint, or half of one */
  static open(source: FileSource, afterClose: () => void = () => {}): Checkpoint {
    return new Checkpoint(openSource(source), source, 0, afterClose);
  }

  /** One that a reader gives, whose parent, if it has one, is not known. */
  static of(reader: CheckpointReader): Checkpoint {
    const source: FileSource = {
      location: reader.location,
      list: () => [],
      open: (file) => {
        throw new ImageError("no such file", { file });
      },
      parent: () => undefined,
    };
    return new Checkpoint(reader, source, 0);
  }

  get format(): "native" | "criu" {
    return this.reader.format;
  }

  /** Where it was opened, for messages. */
  get location(): string {
    return this.reader.location;
  }

  /** The checkpoint that this one continues; what it lists as being "in the parent" is there. */
  get parent(): Checkpoint | undefined {
    if (this.#parent === "unknown") this.#parent = this.#openParent();
    return this.#parent;
  }

  #openParent(): Checkpoint | undefined {
    const source = this.source.parent();
    if (source === undefined) return undefined;
    if (this.#generation >= MAX_GENERATIONS) {
      throw new ImageError(`continues more than ${MAX_GENERATIONS} checkpoints`, { file: this.location });
    }
    // What a pre-dump has written need not have an inventory.
    const reader = source.list().includes(METADATA_NAME) ? openSource(source) : new CriuReader(source);
    return new Checkpoint(reader, source, this.#generation + 1);
  }

  /** All image files but those of pages. */
  list(): ImageName[] {
    return this.reader.list();
  }

  has(name: ImageName): boolean {
    return this.reader.has(name);
  }

  /** All records of an image file. @throws ImageError where it is missing or damaged */
  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    return this.reader.read(name);
  }

  /** A stream of pages, by the `pages_id` of the pagemaps. */
  pages(id: number): PageSource {
    let source = this.#sources.get(id);
    if (source === undefined) {
      source = this.reader.pages(id);
      this.#sources.set(id, source);
    }
    return source;
  }

  get inventory(): InventoryEntry {
    this.#inventory ??= this.read({ kind: "INVENTORY" })[0]?.message;
    if (this.#inventory === undefined) throw new ImageError("no record", { file: "inventory.img" });
    return this.#inventory;
  }

  /** In the order of the process tree's image, in which parents come before their children. */
  get processes(): readonly Process[] {
    this.#processes ??= this.read({ kind: "PSTREE" }).map(({ message }) => new Process(message, this));
    return this.#processes;
  }

  /** The root of the tree. @throws ImageError where the tree is empty */
  get root(): Process {
    const [root] = this.processes;
    if (root === undefined) throw new ImageError("no process", { file: "pstree.img" });
    return root;
  }

  /** @throws ImageError where no process has that pid */
  process(pid: number): Process {
    const process = this.processes.find((candidate) => candidate.pid === pid);
    if (process === undefined) {
      const pids = this.processes.slice(0, 10).map((candidate) => candidate.pid);
      throw new ImageError(`no process ${pid} in this checkpoint`, {
        file: this.location,
        hint: `it has ${pids.join(", ")}${this.processes.length > pids.length ? " …" : ""}`,
      });
    }
    return process;
  }

  /** Open files, mapped files and directories, by id. */
  get files(): ReadonlyMap<number, FileEntry> {
    this.#files ??= readFiles(this.reader);
    return this.#files;
  }

  /** Memory files by inode number; anonymous shared memory is kept as such, too. */
  get memfds(): ReadonlyMap<bigint, MemfdInodeEntry> {
    if (this.#memfds === undefined) {
      const records = this.has({ kind: "MEMFD_INODE" }) ? this.read({ kind: "MEMFD_INODE" }) : [];
      this.#memfds = new Map(records.map(({ message }) => [message.inode_id, message]));
    }
    return this.#memfds;
  }

  /** A pagemap as a table, kept for the next time. */
  pageIndex(name: ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">): PageIndex {
    const key = `${name.kind} ${name.id}`;
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = PageIndex.read(this.reader, name);
      this.#indexes.set(key, index);
    }
    return index;
  }

  /** Closes the files, those of parents too. */
  close(): void {
    this.reader.close();
    if (this.#parent !== "unknown") this.#parent?.close();
    this.#afterClose();
  }
}
