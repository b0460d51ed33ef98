/**
 * The native format: a directory with `checkpoint.meta`, which holds every image as FlatBuffers and the table of
 * the pages, and `pages-ID.pack`, the pages. schemas/README.md describes both byte by byte.
 */
import { readdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { randomBytes } from "#platform";
import { CriuWasmError } from "../errors.ts";
import type { ImageKind } from "../generated/messages.ts";
import { DEFAULT_PACK_OPTIONS, type PackOptions, PackWriter } from "../store/pack-writer.ts";
import { encodePageTable } from "../store/page-table.ts";
import { PageStore, type StoreDump } from "../store/store.ts";
import { checksum, sha256 } from "../wasm/sums.ts";
import { BinaryWriter } from "./binary.ts";
import type { CheckpointWriter, ImageName, ImageRecord, PageSink } from "./checkpoint.ts";
import { encodeMessage } from "./codec.ts";
import { OutputFile, sync } from "./files.ts";
import { imageFileName } from "./framing.ts";
import {
  type Block,
  encodeStoreLocation,
  HEADER_SIZE,
  ID_SIZE,
  isPackName,
  MAGIC,
  MAJOR,
  MAX_METADATA,
  METADATA_NAME,
  MINOR,
  messageOf,
  NO_PAYLOAD,
  PAGE_TABLE,
  packName,
  STORE,
} from "./native-format.ts";
import { Staging } from "./staging.ts";
import { StreamIds } from "./stream-ids.ts";

function encodeImage<K extends ImageKind>(kind: K, records: ImageRecord<K>[]): Uint8Array {
  const to = new BinaryWriter();
  records.forEach(({ message, payload }, record) => {
    const type = messageOf(kind, record);
    const encoded = type === undefined ? new Uint8Array(0) : encodeMessage(type, message as never);
    to.u32(encoded.length)
      .u32(payload?.length ?? NO_PAYLOAD)
      .bytes(encoded)
      .padTo(8);
    if (payload) to.bytes(payload).padTo(8);
  });
  return to.result();
}

export interface NativeOptions extends PackOptions {
  /** Directory of a page store to put the pages into; not given: they lie beside the metadata. */
  store?: string;
}

/** Writes a native checkpoint into a directory, which is created unless it exists. */
export class NativeWriter implements CheckpointWriter {
  readonly #id = randomBytes(ID_SIZE);
  readonly #staging: Staging;
  readonly #dump: StoreDump | undefined;
  readonly #pack: PackWriter;
  readonly #streamIds = new StreamIds();
  readonly #metadata = new BinaryWriter().bytes(new Uint8Array(HEADER_SIZE));
  readonly #blocks: Block[] = [];

  constructor(directory: string, options: NativeOptions = DEFAULT_PACK_OPTIONS) {
    const store = options.store === undefined ? undefined : PageStore.openOrCreate(options.store);
    this.#staging = new Staging(directory);
    try {
      this.#dump = store?.beginDump(this.#id);
      const path = this.#dump?.packPath ?? this.#staging.path(packName(this.#id));
      this.#pack = new PackWriter(path, this.#id, options, this.#dump);
    } catch (error) {
      this.#dump?.abort();
      this.#staging.discard();
      throw error;
    }
  }

  image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]): void {
    this.#addBlock(imageFileName(name), encodeImage(name.kind, records));
  }

  pages(id?: number): PageSink {
    return this.#pack.stream(this.#streamIds.take(id));
  }

  #addBlock(name: string, content: Uint8Array): void {
    const { length: offset } = this.#metadata;
    if (offset + content.length > MAX_METADATA - 2 ** 24) {
      throw new CriuWasmError(`images without pages are over the limit of ${MAX_METADATA} bytes`, {
        file: name,
      });
    }
    this.#blocks.push({ name, offset, length: content.length, checksum: checksum(content) });
    this.#metadata.bytes(content);
  }

  commit(): void {
    const table = this.#pack.finish();
    this.#addBlock(PAGE_TABLE, encodePageTable(table));
    if (this.#dump) this.#addBlock(STORE, this.#storeLocation(this.#dump.store));
    const path = this.#staging.path(METADATA_NAME);
    const file = new OutputFile(path);
    try {
      file.write(this.#finishMetadata());
    } finally {
      file.close();
    }
    const { directory } = this.#staging;
    const own = this.#dump ? [] : [packName(this.#id)];
    if (this.#dump) {
      sync(path);
      this.#dump.enter(table.packs.at(-1)!, path, directory);
    }
    this.#staging.publish(own, METADATA_NAME);
    this.#dump?.end();
    removeOtherPacks(directory, own);
  }

  #storeLocation({ id, directory }: PageStore): Uint8Array {
    const from = resolve(this.#staging.directory);
    return encodeStoreLocation({ id, paths: [relative(from, directory), directory] });
  }

  #finishMetadata(): Uint8Array {
    const directory = new BinaryWriter().u32(this.#blocks.length).u32(0);
    for (const block of this.#blocks) {
      const name = new TextEncoder().encode(block.name);
      directory.u64(block.offset).u64(block.length).u64(block.checksum);
      directory.u32(name.length).u32(0).bytes(name).padTo(8);
    }
    const header = new BinaryWriter().bytes(MAGIC).u16(MAJOR).u16(MINOR).u32(0).bytes(this.#id);
    header.u64(this.#metadata.length).u64(directory.length).u64(checksum(directory.result()));
    header.u64(checksum(header.result()));
    const content = this.#metadata.bytes(directory.result()).result();
    content.set(header.result());
    return this.#metadata.bytes(sha256(content)).result();
  }

  abort(): void {
    this.#pack.close();
    this.#dump?.abort();
    this.#staging.discard();
  }
}

/** Packs that an earlier checkpoint in the same directory has left. */
function removeOtherPacks(directory: string, own: string[]): void {
  for (const name of readdirSync(directory)) {
    if (isPackName(name) && !own.includes(name)) rmSync(join(directory, name), { force: true });
  }
}
