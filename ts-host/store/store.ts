/**
 * A page store that many checkpoints share: a page whose content some checkpoint has brought is not stored again.
 *
 *     store.meta            id, and the secret that hashes of pages depend on
 *     packs/ID.pack         what the checkpoint ID brought: written once, never changed
 *     packs/ID.hashes       hashes of its pages, for dumps to come
 *     checkpoints/ID.meta   the metadata of the checkpoint: a hard link to it, or a copy where that cannot be
 *     checkpoints/ID.path   where the checkpoint is; only beside a copy
 *     dumps/ID              a dump at work
 *
 * No dump waits for another: each has a pack of its own. What makes a pack needed is the metadata of a checkpoint
 * that refers to it; a hard link knows, wherever the checkpoint was moved, whether it is still there.
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { randomBytes } from "#platform";
import { ImageError } from "../errors.ts";
import { BinaryReader, BinaryWriter, hex, sameBytes } from "../images/binary.ts";
import { fileCall, InputFile, OutputFile, sync } from "../images/files.ts";
import { storedPackName } from "../images/native-format.ts";
import { readWhole } from "../images/source.ts";
import { HASH_KEY_SIZE, newHashKey, PAGE_SIZE } from "../wasm/pages.ts";
import { checksum } from "../wasm/sums.ts";
import { decodeHashes, encodeHashes, MAX_HASHES, type PageHashes } from "./hashes-file.ts";
import { describeOwner, ownerLives } from "./lease.ts";
import { PACK_ID_SIZE } from "./pack-format.ts";
import type { KnownPages } from "./pack-writer.ts";
import type { NumberedPack } from "./page-table.ts";

const STORE_MAGIC = new TextEncoder().encode("CRIUSTOR");
const VERSION = 1;
const META = "store.meta";
/** Ending of a dump's file until it is complete: one that is not would say nothing of who is at work. */
const GROWING = ".new";
/** magic, u16 version, u16 0, u32 page size, id, key, u64 XXH64 of all before. */
const META_SIZE = 8 + 8 + PACK_ID_SIZE + HASH_KEY_SIZE + 8;
/** Writes a file whole, under another name until it is durable. */
function writeDurably(path: string, content: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  const file = new OutputFile(temporary);
  try {
    file.write(content);
  } finally {
    file.close();
  }
  sync(temporary);
  fileCall("rename", path, () => renameSync(temporary, path));
}

export class PageStore {
  readonly directory: string;
  readonly id: Uint8Array;
  readonly key: Uint8Array;

  private constructor(directory: string, id: Uint8Array, key: Uint8Array) {
    this.directory = directory;
    this.id = id;
    this.key = key;
  }

  /** Opens a store. An ImageError where there is none. */
  static open(directory: string): PageStore {
    const path = join(directory, META);
    if (!existsSync(path))
      throw new ImageError("no page store", {
        file: directory,
        hint: "dump --store and convert --store make one",
      });
    const content = readWhole(new InputFile(path), META_SIZE);
    const from = new BinaryReader(content, path, 0);
    if (!sameBytes(from.bytes(STORE_MAGIC.length), STORE_MAGIC))
      from.fail("not a page store: wrong magic", 0);
    const version = from.u16();
    from.u16();
    const pageSize = from.u32();
    const id = from.bytes(PACK_ID_SIZE).slice();
    const key = from.bytes(HASH_KEY_SIZE).slice();
    if (from.u64() !== checksum(content.subarray(0, META_SIZE - 8)))
      from.fail("the store's key is damaged", 0);
    if (version !== VERSION || pageSize !== PAGE_SIZE)
      from.fail(`version ${version} of the store, only ${VERSION} is known`, 8);
    return new PageStore(resolve(directory), id, key);
  }

  /** Opens a store, or begins one in a directory that is empty or not there. */
  static openOrCreate(directory: string): PageStore {
    if (!existsSync(join(directory, META))) PageStore.#create(directory);
    return PageStore.open(directory);
  }

  static #create(directory: string): void {
    fileCall("mkdir", directory, () => mkdirSync(directory, { recursive: true, mode: 0o700 }));
    const others = readdirSync(directory).filter(
      (name) => !/^(packs|checkpoints|dumps|store\.meta.*)$/.test(name),
    );
    if (others.length > 0) {
      throw new ImageError(`no page store, but other files: ${others.slice(0, 3).join(", ")}`, {
        file: directory,
        hint: "a store begins in a directory of its own",
      });
    }
    for (const folder of ["packs", "checkpoints", "dumps"]) {
      const path = join(directory, folder);
      fileCall("mkdir", path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
    }
    const meta = new BinaryWriter().bytes(STORE_MAGIC).u16(VERSION).u16(0).u32(PAGE_SIZE);
    meta.bytes(randomBytes(PACK_ID_SIZE)).bytes(newHashKey());
    const temporary = join(directory, `${META}.${process.pid}.tmp`);
    rmSync(temporary, { force: true });
    const file = new OutputFile(temporary);
    file.write(meta.u64(checksum(meta.result())).result());
    file.close();
    sync(temporary);
    try {
      // Not renamed: of two that begin a store at once, the second must not replace the first one's key.
      linkSync(temporary, join(directory, META));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    rmSync(temporary);
    sync(directory);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Ids, in digits, of all packs with a file of that ending. */
  packs(ending: ".pack" | ".hashes" | ".condemned"): string[] {
    const names = fileCall("readdir", this.path("packs"), () => readdirSync(this.path("packs")));
    return names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
  }

  /** Begins a dump: what is known from now on stays as long as the dump is alive. */
  beginDump(id: Uint8Array): StoreDump {
    const lease = this.path(join("dumps", hex(id)));
    const growing = `${lease}${GROWING}`;
    fileCall("open", growing, () => writeFileSync(growing, describeOwner(), { flag: "wx", mode: 0o600 }));
    fileCall("rename", lease, () => renameSync(growing, lease));
    this.clearUpAfterDead();
    return new StoreDump(this, id);
  }

  /** Dumps that are at work, as ids in digits, and those whose process is dead. */
  dumps(): { alive: string[]; dead: string[] } {
    const found: { alive: string[]; dead: string[] } = { alive: [], dead: [] };
    for (const name of readdirSync(this.path("dumps"))) {
      const owner = name.endsWith(GROWING) ? undefined : this.#ownerOf(name);
      if (owner !== undefined) found[owner].push(name);
    }
    return found;
  }

  /** Whether the owner of a file in dumps/ may still be at work; undefined: the file is not there any more. */
  #ownerOf(name: string): "alive" | "dead" | undefined {
    const path = this.path(join("dumps", name));
    try {
      return ownerLives(readFileSync(path, "utf8"), statSync(path).mtimeMs) ? "alive" : "dead";
    } catch (error) {
      // It has just ended.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return undefined;
    }
  }

  /** Removes what dumps have left that were killed. */
  clearUpAfterDead(): void {
    for (const id of this.dumps().dead) {
      // Once its hashes are known, another dump may have found pages in the pack: that is for gc to find out.
      const mayBeUsed = ["packs/ID.hashes", "packs/ID.condemned", "checkpoints/ID.meta"];
      if (!mayBeUsed.some((name) => existsSync(this.path(name.replace("ID", id))))) {
        rmSync(this.path(join("packs", `${id}.pack`)), { force: true });
      }
      for (const name of readdirSync(this.path("packs")))
        if (name.startsWith(`${id}.hashes.`)) rmSync(this.path(join("packs", name)), { force: true });
      rmSync(this.path(join("dumps", id)), { force: true });
    }
    for (const name of readdirSync(this.path("dumps")))
      if (name.endsWith(GROWING) && this.#ownerOf(name) === "dead")
        rmSync(this.path(join("dumps", name)), { force: true });
  }
}

/** A dump into a store: what it may find there, and what it brings. */
export class StoreDump implements KnownPages {
  readonly store: PageStore;
  readonly key: Uint8Array;
  readonly packs: readonly NumberedPack[];
  readonly #id: Uint8Array;
  readonly #found = new Map<NumberedPack, Uint8Array>();
  readonly #hashes = new BinaryWriter();

  constructor(store: PageStore, id: Uint8Array) {
    this.store = store;
    this.key = store.key;
    this.#id = id;
    this.packs = this.#readHashes();
  }

  /** The newest packs first count, should there be more pages than can be numbered. */
  #readHashes(): NumberedPack[] {
    const packs: NumberedPack[] = [];
    let first = 0;
    for (const id of this.store.packs(".hashes")) {
      const found = readHashes(this.store, id);
      if (found === undefined || first + found.pack.length > 2 ** 31) continue;
      const pack = { ...found.pack, first };
      packs.push(pack);
      this.#found.set(pack, found.hashes);
      first += pack.length;
    }
    return packs;
  }

  hashes(pack: NumberedPack): Uint8Array {
    const hashes = this.#found.get(pack)!;
    this.#found.delete(pack);
    return hashes;
  }

  remember(hashes: Uint8Array): void {
    this.#hashes.bytes(hashes);
  }

  /** Where the dump's own pack grows; nobody looks at it before its hashes are there. */
  get packPath(): string {
    return this.store.path(storedPackName(this.#id));
  }

  /**
   * Enters the checkpoint: makes its pack durable, lets other dumps find the pages, and keeps the metadata, a
   * durable file at `metadata` that will be moved to `place` afterwards.
   */
  enter(pack: NumberedPack, metadata: string, place: string): void {
    const id = hex(this.#id);
    sync(this.packPath);
    sync(this.store.path("packs"));
    writeDurably(this.store.path(join("packs", `${id}.hashes`)), encodeHashes(pack, this.#hashes.result()));
    const kept = this.store.path(join("checkpoints", `${id}.meta`));
    try {
      linkSync(metadata, kept);
    } catch {
      // Another file system, or one without hard links.
      writeDurably(this.store.path(join("checkpoints", `${id}.path`)), Buffer.from(resolve(place)));
      copyFileSync(metadata, `${kept}.${process.pid}.tmp`);
      sync(`${kept}.${process.pid}.tmp`);
      fileCall("rename", kept, () => renameSync(`${kept}.${process.pid}.tmp`, kept));
    }
    sync(this.store.path("checkpoints"));
    sync(this.store.path("packs"));
  }

  /** The dump is over. */
  end(): void {
    rmSync(this.store.path(join("dumps", hex(this.#id))), { force: true });
  }

  /** Removes what the dump has brought. */
  abort(): void {
    const id = hex(this.#id);
    if (!existsSync(this.store.path(join("packs", `${id}.hashes`)))) rmSync(this.packPath, { force: true });
    for (const ending of [".meta", ".path"])
      rmSync(this.store.path(join("checkpoints", `${id}${ending}`)), { force: true });
    this.end();
  }
}

/** A damaged file of hashes is as none: its pages are stored again. */
export function readHashes(store: PageStore, id: string): PageHashes | undefined {
  const path = store.path(join("packs", `${id}.hashes`));
  try {
    return decodeHashes(readWhole(new InputFile(path), MAX_HASHES), path, id);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}
