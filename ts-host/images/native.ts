/**
 * The native format: a directory with `checkpoint.meta`, which holds every image as FlatBuffers and the table of
 * the pages, and `pages-ID.pack`, the pages. schemas/README.md describes both byte by byte.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError, ImageError } from "../errors.ts";
import { IMAGE_KINDS, type ImageKind, type MessageName } from "../generated/messages.ts";
import type { PackOptions } from "../store/page-pack.ts";
import { PackReader, PackWriter } from "../store/page-pack.ts";
import type { PageTable } from "../store/page-table.ts";
import { decodePageTable, encodePageTable } from "../store/page-table.ts";
import { checksum } from "../wasm/pages.ts";
import { BinaryReader, BinaryWriter } from "./binary.ts";
import type {
  CheckpointReader,
  CheckpointWriter,
  ImageName,
  ImageRecord,
  PageSink,
  PageSource,
} from "./checkpoint.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { OutputFile, readWhole } from "./files.ts";
import { imageFileName, parseImageFileName } from "./framing.ts";
import { Staging } from "./staging.ts";
import { StreamIds } from "./stream-ids.ts";

/** The file whose presence makes a directory a complete native checkpoint. */
export const METADATA_NAME = "checkpoint.meta";

const MAGIC = new TextEncoder().encode("CRIUWASM");
const MAJOR = 1;
const MINOR = 0;
const HEADER_SIZE = 64;
const ID_SIZE = 16;
const DIGEST_SIZE = 32;
/** Most bytes of metadata: they are held in memory, on both ways. */
const MAX_METADATA = 2 ** 30;
/** In the place of a payload's length: the record has none. */
const NO_PAYLOAD = 0xffffffff;
/** Name of the block that holds the page table; image blocks have the name of CRIU's file. */
const PAGE_TABLE = "page-table";

function packName(id: Uint8Array): string {
  return `pages-${Buffer.from(id.subarray(0, 8)).toString("hex")}.pack`;
}

function isPackName(name: string): boolean {
  return /^pages-[0-9a-f]{16}\.pack$/.test(name);
}

/** Whether an entry of a directory belongs to a native checkpoint. */
export function isNativeName(name: string): boolean {
  return name === METADATA_NAME || isPackName(name);
}

/** A part of the metadata with a name and a checksum of its own. */
interface Block {
  name: string;
  offset: number;
  /** A multiple of 8. */
  length: number;
  checksum: bigint;
}

/** The message of a record; none in images that are raw bytes. */
function messageOf(kind: ImageKind, record: number): MessageName | undefined {
  const { messages } = IMAGE_KINDS[kind];
  return messages[Math.min(record, messages.length - 1)];
}

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

function decodeImage<K extends ImageKind>(kind: K, from: BinaryReader): ImageRecord<K>[] {
  const records: ImageRecord<K>[] = [];
  while (from.left > 0) {
    const record = records.length;
    try {
      const type = messageOf(kind, record);
      const messageLength = from.u32();
      const payloadLength = from.u32();
      const encoded = from.bytes(messageLength);
      from.skipTo(8);
      const message = (type === undefined ? {} : decodeMessage(type, encoded)) as ImageRecord<K>["message"];
      if (payloadLength === NO_PAYLOAD) {
        records.push({ message });
        continue;
      }
      const payload = from.bytes(payloadLength).slice();
      from.skipTo(8);
      records.push({ message, payload });
    } catch (error) {
      throw error instanceof CriuWasmError ? error.within({ kind, record }) : error;
    }
  }
  return records;
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

/** What a metadata file holds. */
interface Metadata {
  id: Uint8Array;
  blocks: Map<string, Block>;
}

/** Checks the whole file; names the place if something in it has changed since it was written. */
function parseMetadata(content: Uint8Array, file: string): Metadata {
  const whole = new BinaryReader(content, file, 0);
  if (content.length < HEADER_SIZE + DIGEST_SIZE) whole.fail("the file ends too early", content.length);
  const header = parseHeader(new BinaryReader(content.subarray(0, HEADER_SIZE), file, 0), content);
  const digestOffset = content.length - DIGEST_SIZE;
  if (header.directoryOffset + header.directoryLength !== BigInt(digestOffset)) {
    whole.fail(`${content.length} bytes are not the length that was written`, content.length);
  }
  const directoryOffset = Number(header.directoryOffset);
  const directory = content.subarray(directoryOffset, digestOffset);
  if (checksum(directory) !== header.directoryChecksum) {
    whole.fail("the directory of blocks is damaged", directoryOffset);
  }
  const blocks = parseDirectory(new BinaryReader(directory, file, directoryOffset), directoryOffset);
  const digest = createHash("sha256").update(content.subarray(0, digestOffset)).digest();
  if (digest.compare(content, digestOffset) !== 0) {
    for (const { name, offset, length, checksum: expected } of blocks.values()) {
      if (checksum(content.subarray(offset, offset + length)) !== expected) {
        whole.fail(`${name} is damaged`, offset);
      }
    }
    whole.fail("the digest does not fit the content", digestOffset);
  }
  return { id: header.id, blocks };
}

function parseHeader(from: BinaryReader, content: Uint8Array) {
  if (Buffer.compare(from.bytes(MAGIC.length), MAGIC) !== 0) {
    from.fail("not the metadata of a checkpoint: wrong magic", 0);
  }
  const major = from.u16();
  const minor = from.u16();
  from.u32();
  const id = from.bytes(ID_SIZE);
  const directoryOffset = from.u64();
  const directoryLength = from.u64();
  const directoryChecksum = from.u64();
  if (from.u64() !== checksum(content.subarray(0, HEADER_SIZE - 8))) from.fail("the header is damaged", 0);
  if (major !== MAJOR) {
    from.fail(
      `version ${major}.${minor} of the format, only ${MAJOR}.x is known: written by another criu-wasm`,
      8,
    );
  }
  return { id, directoryOffset, directoryLength, directoryChecksum };
}

function parseDirectory(from: BinaryReader, end: number): Map<string, Block> {
  const blocks = new Map<string, Block>();
  const count = from.u32();
  from.u32();
  for (let index = 0; index < count; index++) {
    const offset = from.size(end);
    const length = from.size(end - offset);
    const expected = from.u64();
    const nameLength = from.u32();
    from.u32();
    const name = new TextDecoder().decode(from.bytes(nameLength));
    from.skipTo(8);
    if (blocks.has(name)) from.fail(`block ${index}: ${name} is there twice`);
    blocks.set(name, { name, offset, length, checksum: expected });
  }
  if (from.left !== 0) from.fail(`${from.left} bytes too many`);
  return blocks;
}

/** Reads the native checkpoint of a directory. */
export class NativeReader implements CheckpointReader {
  readonly format = "native";
  readonly location: string;
  readonly #file: string;
  readonly #content: Uint8Array;
  readonly #blocks: Map<string, Block>;
  readonly #table: PageTable;
  readonly #pack: PackReader;

  constructor(directory: string) {
    this.location = directory;
    this.#file = join(directory, METADATA_NAME);
    this.#content = readWhole(this.#file, MAX_METADATA);
    const { id, blocks } = parseMetadata(this.#content, this.#file);
    this.#blocks = blocks;
    const { offset, length } = this.#block(PAGE_TABLE);
    this.#table = decodePageTable(this.#content.subarray(offset, offset + length), this.#file, offset);
    this.#pack = new PackReader(join(directory, packName(id)), id, this.#table);
  }

  #block(name: string): Block {
    const block = this.#blocks.get(name);
    if (!block) throw new ImageError(`no ${name} in this checkpoint`, { file: this.#file });
    return block;
  }

  list(): ImageName[] {
    return [...this.#blocks.keys()].map(parseImageFileName).filter((name) => name !== undefined);
  }

  has(name: ImageName): boolean {
    return this.#blocks.has(imageFileName(name));
  }

  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    const { offset, length } = this.#block(imageFileName(name));
    const from = new BinaryReader(this.#content.subarray(offset, offset + length), this.#file, offset);
    try {
      return decodeImage(name.kind, from);
    } catch (error) {
      throw error instanceof CriuWasmError
        ? error.within({ file: this.#file, kind: imageFileName(name) })
        : error;
    }
  }

  streams(): number[] {
    return this.#table.streams.map(({ id }) => id);
  }

  pages(id: number): PageSource {
    const stream = this.#table.streams.find((candidate) => candidate.id === id);
    if (!stream) throw new ImageError(`no page stream ${id} in this checkpoint`, { file: this.#file });
    return this.#pack.stream(stream);
  }

  close(): void {
    this.#pack.close();
  }
}
