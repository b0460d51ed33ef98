/** Looking after a store: is everything there, what does it hold, what is no longer needed. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError, describe, ImageError } from "../errors.ts";
import { hex, sameBytes } from "../images/binary.ts";
import { fileCall, InputFile } from "../images/files.ts";
import { METADATA_NAME } from "../images/native-format.ts";
import { NativeReader } from "../images/native-reader.ts";
import type { FileSource } from "../images/source.ts";
import type { Progress } from "../offline/progress.ts";
import { HASH_SIZE, MAX_REGION_PAGES, PAGE_SIZE, PageHasher } from "../wasm/pages.ts";
import { describeOwner, ownerLives } from "./lease.ts";
import { PageReader } from "./page-reader.ts";
import { type PageStore, readHashes } from "./store.ts";

/** Pages that are read at once. */
const READ_PAGES = 1024;

/** A checkpoint, seen from the store: its metadata there, its packs where they are. */
class EnteredCheckpoint implements FileSource {
  readonly location: string;
  readonly #store: PageStore;
  readonly #id: string;

  constructor(store: PageStore, id: string) {
    this.#store = store;
    this.#id = id;
    this.location = this.placeFile === undefined ? this.metadata : readFileSync(this.placeFile, "utf8");
  }

  get metadata(): string {
    return this.#store.path(join("checkpoints", `${this.#id}.meta`));
  }

  /** The file that says where the checkpoint is, where no hard link could be made. */
  get placeFile(): string | undefined {
    const path = this.#store.path(join("checkpoints", `${this.#id}.path`));
    return existsSync(path) ? path : undefined;
  }

  list(): string[] {
    return [METADATA_NAME];
  }

  open(name: string): InputFile {
    return new InputFile(name === METADATA_NAME ? this.metadata : this.#store.path(name));
  }

  parent(): undefined {
    return undefined;
  }

  /** The store is the one in which the metadata was found, whatever this says. */
  elsewhere(): FileSource {
    return this;
  }

  read(): NativeReader {
    return new NativeReader(this);
  }

  /**
   * Whether the checkpoint is still there: "gone" where its last name was removed; "missing" where it is not at
   * its place, which a disk that is not mounted looks like too.
   */
  state(): "there" | "gone" | "missing" {
    if (this.placeFile === undefined) return statSync(this.metadata).nlink > 1 ? "there" : "gone";
    try {
      const there = readFileSync(join(this.location, METADATA_NAME));
      return there.equals(readFileSync(this.metadata)) ? "there" : "gone";
    } catch {
      return "missing";
    }
  }

  remove(): void {
    rmSync(this.metadata, { force: true });
    if (this.placeFile !== undefined) rmSync(this.placeFile, { force: true });
  }
}

function entered(store: PageStore): { id: string; checkpoint: EnteredCheckpoint }[] {
  const names = fileCall("readdir", store.path("checkpoints"), () => readdirSync(store.path("checkpoints")));
  const ids = names.filter((name) => name.endsWith(".meta")).map((name) => name.slice(0, -".meta".length));
  return ids.map((id) => ({ id, checkpoint: new EnteredCheckpoint(store, id) }));
}

/** Ids of the packs that the checkpoints refer to. */
function* neededPacks(store: PageStore): Generator<Progress, Set<string>> {
  const needed = new Set<string>();
  const all = entered(store);
  for (const [done, { checkpoint }] of all.entries()) {
    yield { done, total: all.length };
    const reader = checkpoint.read();
    for (const { id } of reader.packs) needed.add(hex(id));
    reader.close();
  }
  return needed;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** A thing that is wrong in a store; `leftover`: not damage, but what a broken-off dump has left. */
export interface StoreFinding {
  severity: "error" | "leftover";
  file: string;
  message: string;
}

/**
 * Reads everything: each checkpoint with all of its pages, every checksum on the way; and compares each page of
 * each pack with the hash under which dumps find it.
 */
export function* checkStore(store: PageStore): Generator<StoreFinding | Progress, void> {
  const needed = new Set<string>();
  const all = entered(store);
  const hashes = store.packs(".hashes");
  const total = all.length + hashes.length;
  for (const [done, { id, checkpoint }] of all.entries()) {
    try {
      const reader = checkpoint.read();
      try {
        for (const pack of reader.packs) needed.add(hex(pack.id));
        for (const name of reader.list()) reader.read(name);
        for (const stream of reader.streams()) {
          const pages = reader.pages(stream);
          for (let first = 0; first < pages.length; first += READ_PAGES) {
            yield { done, total };
            pages.read(first, Math.min(READ_PAGES, pages.length - first), () => {});
          }
        }
      } finally {
        reader.close();
      }
    } catch (error) {
      if (!(error instanceof CriuWasmError)) throw error;
      const file = error.context.file ?? checkpoint.metadata;
      yield { severity: "error", file, message: `checkpoint ${id}: ${describe(error)}` };
    }
  }
  for (const [done, id] of hashes.entries()) {
    yield { done: all.length + done, total };
    yield* checkHashes(store, id);
  }
  const { alive, dead } = store.dumps();
  for (const id of store.packs(".pack")) {
    if (needed.has(id) || alive.includes(id)) continue;
    yield {
      severity: "leftover",
      file: store.path(`packs/${id}.pack`),
      message: "no checkpoint refers to it",
    };
  }
  for (const id of dead)
    yield { severity: "leftover", file: store.path(`dumps/${id}`), message: "its dump was killed" };
}

function* checkHashes(store: PageStore, id: string): Generator<StoreFinding> {
  const file = store.path(`packs/${id}.hashes`);
  const found = readHashes(store, id);
  if (found === undefined) {
    yield { severity: "leftover", file, message: "damaged: dumps do not find the pages of this pack" };
    return;
  }
  const hasher = new PageHasher(store.key);
  try {
    const table = { packs: [{ ...found.pack, first: 0 }], streams: [] };
    const pack = new PageReader(table, () => new InputFile(store.path(`packs/${id}.pack`)));
    try {
      for (let page = 0; page < found.pack.length; ) {
        const count = Math.min(MAX_REGION_PAGES, found.pack.length - page);
        const expected = found.hashes.subarray(page * HASH_SIZE, (page + count) * HASH_SIZE);
        if (!sameBytes(hasher.hashes(pack.read(page, count)), expected))
          throw new ImageError(`pages from number ${page} on have other hashes`, { file });
        page += count;
      }
    } finally {
      pack.close();
    }
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    yield { severity: "error", file: error.context.file ?? file, message: describe(error) };
  }
}

export interface Collected {
  /** Packs that were removed, and their bytes. */
  packs: number;
  bytes: number;
  /** Checkpoints that are gone, and were forgotten. */
  forgotten: number;
  /** Places of checkpoints that are not to be seen there now, and were kept. */
  missing: string[];
  /** Packs that nobody needs, but that a dump at work may have found pages in: they go next time. */
  waiting: number;
}

/**
 * Removes packs that no checkpoint refers to. Safe beside dumps: first their hashes are taken away, so that no
 * dump that begins later finds them; then only if no dump is at work that began before, the packs.
 * `forgetMissing`: checkpoints that are not at their place, on another file system, count as removed. Wherever it is
 * ended, the next collection goes on.
 */
export function* collectGarbage(store: PageStore, forgetMissing: boolean): Generator<Progress, Collected> {
  return yield* withLock(store, function* () {
    const result: Collected = { packs: 0, bytes: 0, forgotten: 0, missing: [], waiting: 0 };
    store.clearUpAfterDead();
    for (const { checkpoint } of entered(store)) {
      const state = checkpoint.state();
      if (state === "gone" || (state === "missing" && forgetMissing)) {
        checkpoint.remove();
        result.forgotten++;
      } else if (state === "missing") {
        result.missing.push(checkpoint.location);
      }
    }
    yield* condemn(store);
    const { alive } = store.dumps();
    // A dump may have ended between: only what its checkpoint says counts now.
    const needed = yield* neededPacks(store);
    for (const id of store.packs(".condemned")) if (needed.has(id)) reprieve(store, id);
    for (const id of store.packs(".pack")) {
      if (needed.has(id) || alive.includes(id)) continue;
      if (alive.length > 0) {
        result.waiting++;
        continue;
      }
      const pack = store.path(`packs/${id}.pack`);
      result.bytes += sizeOf(pack);
      result.packs++;
      rmSync(pack, { force: true });
      for (const ending of ["condemned", "hashes"])
        rmSync(store.path(`packs/${id}.${ending}`), { force: true });
    }
    return result;
  });
}

/** Takes the hashes of packs away that nobody needs. */
function* condemn(store: PageStore): Generator<Progress, void> {
  const needed = yield* neededPacks(store);
  const { alive } = store.dumps();
  for (const id of store.packs(".hashes")) {
    if (needed.has(id) || alive.includes(id)) continue;
    renameSync(store.path(`packs/${id}.hashes`), store.path(`packs/${id}.condemned`));
  }
}

function reprieve(store: PageStore, id: string): void {
  renameSync(store.path(`packs/${id}.condemned`), store.path(`packs/${id}.hashes`));
}

/** One collection at a time. */
function* withLock<T>(store: PageStore, work: () => Generator<Progress, T>): Generator<Progress, T> {
  const lock = store.path("gc.lock");
  if (existsSync(lock) && !ownerLives(readFileSync(lock, "utf8"), statSync(lock).mtimeMs)) rmSync(lock);
  try {
    writeFileSync(lock, describeOwner(), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new CriuWasmError("another collection is at work in this store", { file: store.directory });
  }
  try {
    return yield* work();
  } finally {
    rmSync(lock, { force: true });
  }
}

export interface StoreStats {
  checkpoints: number;
  packs: number;
  /** Pages of all checkpoints together, those that are all zero, and those that are stored. */
  pages: number;
  zeroPages: number;
  storedPages: number;
  /** Bytes of the packs, and of the hashes beside them. */
  packBytes: number;
  hashBytes: number;
  /** How many times smaller it is than the pages themselves: without zero pages, by dedup, by compression. */
  saved: { zero: number; dedup: number; compression: number; all: number };
}

export function* statistics(store: PageStore): Generator<Progress, StoreStats> {
  const all = entered(store);
  let pages = 0;
  let zeroPages = 0;
  const lengths = new Map<string, number>();
  for (const [done, { checkpoint }] of all.entries()) {
    yield { done, total: all.length };
    const reader = checkpoint.read();
    for (const { id, length } of reader.packs) lengths.set(hex(id), length);
    const counts = reader.pageFigures();
    pages += counts.pages;
    zeroPages += counts.zero;
    reader.close();
  }
  const ids = store.packs(".pack");
  const sum = (ending: string) =>
    ids.reduce((total, id) => total + sizeOf(store.path(`packs/${id}.${ending}`)), 0);
  const storedPages = [...lengths.values()].reduce((total, length) => total + length, 0);
  const packBytes = sum("pack");
  const ratio = (a: number, b: number) => (b === 0 ? 1 : a / b);
  return {
    checkpoints: all.length,
    packs: ids.length,
    pages,
    zeroPages,
    storedPages,
    packBytes,
    hashBytes: sum("hashes"),
    saved: {
      zero: ratio(pages, pages - zeroPages),
      dedup: ratio(pages - zeroPages, storedPages),
      compression: ratio(storedPages * PAGE_SIZE, packBytes),
      all: ratio(pages * PAGE_SIZE, packBytes),
    },
  };
}
