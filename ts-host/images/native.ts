/**
 * The native format: a directory with `checkpoint.meta`, which holds every image as FlatBuffers and the table of
 * the pages, and `pages-ID.pack`, the pages. schemas/README.md describes both byte by byte.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError } from "../errors.ts";
import type { ImageKind } from "../generated/messages.ts";
import type { PackOptions } from "../store/page-pack.ts";
import { PackWriter } from "../store/page-pack.ts";
import { encodePageTable } from "../store/page-table.ts";
import { checksum } from "../wasm/pages.ts";
import { BinaryWriter } from "./binary.ts";
import type { CheckpointWriter, ImageName, ImageRecord, PageSink } from "./checkpoint.ts";
import { encodeMessage } from "./codec.ts";
import { OutputFile } from "./files.ts";
import { imageFileName } from "./framing.ts";
import {
  type Block,
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

/** Writes a native checkpoint into a directory, which is created unless it exists. */
export class NativeWriter implements CheckpointWriter {
  readonly #id = new Uint8Array(randomBytes(ID_SIZE));
  readonly #staging: Staging;
  readonly #pack: PackWriter;
  readonly #streamIds = new StreamIds();
  readonly #metadata = new BinaryWriter().bytes(new Uint8Array(HEADER_SIZE));
  readonly #blocks: Block[] = [];

  constructor(directory: string, options: PackOptions = { compress: true }) {
    this.#staging = new Staging(directory);
    try {
      this.#pack = new PackWriter(this.#staging.path(packName(this.#id)), this.#id, options);
    } catch (error) {
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
    const pack = packName(this.#id);
    this.#addBlock(PAGE_TABLE, encodePageTable(this.#pack.finish()));
    const file = new OutputFile(this.#staging.path(METADATA_NAME));
    try {
      file.write(this.#finishMetadata());
    } finally {
      file.close();
    }
    this.#staging.publish([pack], METADATA_NAME);
    removeOtherPacks(this.#staging.directory, pack);
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
    return this.#metadata.bytes(createHash("sha256").update(content).digest()).result();
  }

  abort(): void {
    this.#pack.close();
    this.#staging.discard();
  }
}

/** Packs that an earlier checkpoint in the same directory has left. */
function removeOtherPacks(directory: string, pack: string): void {
  for (const name of readdirSync(directory)) {
    if (isPackName(name) && name !== pack) rmSync(join(directory, name), { force: true });
  }
}
