/** Reading the native format, of which native.ts is the other half. Runs wherever the core does. */
import { CriuWasmError, ImageError } from "../errors.ts";
import type { ImageKind } from "../generated/messages.ts";
import { HASH_WORDS, HashesFile } from "../store/hashes-file.ts";
import { PageReader } from "../store/page-reader.ts";
import type { NumberedPack, PageTable, StreamTable } from "../store/page-table.ts";
import { decodePageTable, packsWithOtherPages } from "../store/page-table.ts";
import type { Core } from "../wasm/core.ts";
import { checksum, sha256 } from "../wasm/sums.ts";
import { BinaryReader, hex, sameBytes } from "./binary.ts";
import type {
  CheckpointReader,
  ImageName,
  ImageRecord,
  PageFigures,
  PageSource,
  StoredHashes,
} from "./checkpoint.ts";
import { decodeMessage } from "./codec.ts";
import { imageFileName, parseImageFileName } from "./framing.ts";
import {
  type Block,
  DIGEST_SIZE,
  decodeStoreLocation,
  HEADER_SIZE,
  ID_SIZE,
  MAGIC,
  MAJOR,
  MAX_METADATA,
  METADATA_NAME,
  messageOf,
  NO_PAYLOAD,
  PAGE_TABLE,
  packName,
  STORE,
  storedHashesName,
  storedPackName,
} from "./native-format.ts";
import { type FileSource, type RandomFile, readWhole } from "./source.ts";

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
  if (!sameBytes(sha256(content.subarray(0, digestOffset)), content.subarray(digestOffset))) {
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
  if (!sameBytes(from.bytes(MAGIC.length), MAGIC)) {
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

function openOrHint(store: FileSource, name: string): RandomFile {
  try {
    return store.open(name);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw error.within({ hint: "its pages are in a store; restore --store DIR says where that is now" });
  }
}

interface StoredHashesFile extends StoredHashes {
  close(): void;
}

/** Reads a native checkpoint. */
export class NativeReader implements CheckpointReader {
  readonly format = "native";
  readonly location: string;
  readonly #file: string;
  readonly #content: Uint8Array;
  readonly #blocks: Map<string, Block>;
  readonly #table: PageTable;
  readonly #pages: PageReader;
  readonly #source: FileSource;
  #streams: ReadonlyMap<number, StreamTable> | undefined;
  #ownPack: string | undefined;
  #otherPacks: Set<string> | undefined;
  readonly #hashes = new Map<string, StoredHashesFile | undefined>();

  constructor(source: FileSource) {
    this.#source = source;
    this.location = source.location;
    const metadata = source.open(METADATA_NAME);
    this.#file = metadata.path;
    this.#content = readWhole(metadata, MAX_METADATA);
    const { id, blocks } = parseMetadata(this.#content, this.#file);
    this.#blocks = blocks;
    const table = this.#block(PAGE_TABLE);
    this.#table = decodePageTable(this.#bytesOf(table), this.#file, table.offset);
    if (!sameBytes(this.#table.packs.at(-1)!.id, id))
      throw new ImageError("the last pack is another checkpoint's", {
        file: this.#file,
        offset: table.offset,
      });
    this.#pages = new PageReader(this.#table, this.#packOpener(source));
  }

  /** Packs are in the store that the checkpoint names, or beside the metadata. */
  #packOpener(source: FileSource): (pack: NumberedPack) => RandomFile {
    const block = this.#blocks.get(STORE);
    if (block === undefined) return ({ id }) => source.open(packName(id));
    const { paths } = decodeStoreLocation(this.#bytesOf(block), this.#file, block.offset);
    const stores = source.elsewhere && paths.map((path) => source.elsewhere!(path));
    if (stores === undefined) {
      throw new ImageError(`its pages are in the store ${paths[1]}, which cannot be reached from here`, {
        file: this.#file,
        hint: "convert it to a checkpoint without a store where the store is",
      });
    }
    return ({ id }) => {
      const name = storedPackName(id);
      try {
        return stores[0].open(name);
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        return openOrHint(stores[1], name);
      }
    };
  }

  #block(name: string): Block {
    const block = this.#blocks.get(name);
    if (!block)
      throw new ImageError(`no ${name} in this checkpoint`, {
        file: this.#file,
        hint: "criu-wasm info lists what is in it",
      });
    return block;
  }

  list(): ImageName[] {
    return [...this.#blocks.keys()].map(parseImageFileName).filter((name) => name !== undefined);
  }

  has(name: ImageName): boolean {
    return this.#blocks.has(imageFileName(name));
  }

  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    const block = this.#block(imageFileName(name));
    const from = new BinaryReader(this.#bytesOf(block), this.#file, block.offset);
    try {
      return decodeImage(name.kind, from);
    } catch (error) {
      throw error instanceof CriuWasmError
        ? error.within({ file: this.#file, kind: imageFileName(name) })
        : error;
    }
  }

  size(name: ImageName): number {
    return this.#block(imageFileName(name)).length;
  }

  pageFigures(): PageFigures {
    return this.#pages.figures();
  }

  streams(): number[] {
    return this.#table.streams.map(({ id }) => id);
  }

  pages(id: number): PageSource {
    this.#streams ??= new Map(this.#table.streams.map((stream) => [stream.id, stream]));
    const stream = this.#streams.get(id);
    if (!stream) throw new ImageError(`no page stream ${id} in this checkpoint`, { file: this.#file });
    return this.#pages.stream(stream);
  }

  get pagesCore(): Core {
    return this.#pages.core;
  }

  areDistinct(pack: string, other: string): boolean {
    this.#ownPack ??= hex(this.#table.packs.at(-1)!.id);
    this.#otherPacks ??= new Set(packsWithOtherPages(this.#table).map(({ id }) => hex(id)));
    if (pack === this.#ownPack) return this.#otherPacks.has(other);
    return other === this.#ownPack && this.#otherPacks.has(pack);
  }

  hashes(pack: string): StoredHashes | undefined {
    if (!this.#hashes.has(pack)) this.#hashes.set(pack, this.#openHashes(pack));
    return this.#hashes.get(pack);
  }

  #openHashes(pack: string): StoredHashesFile | undefined {
    const block = this.#blocks.get(STORE);
    if (block === undefined) return undefined;
    const { id, paths } = decodeStoreLocation(this.#bytesOf(block), this.#file, block.offset);
    for (const path of paths) {
      try {
        const file = this.#source.elsewhere?.(path).open(storedHashesName(pack));
        const found = file && HashesFile.open(file, pack);
        if (found !== undefined)
          return {
            store: hex(id),
            words: HASH_WORDS,
            word: (page, index) => found.word(page, index),
            close: () => found.close(),
          };
      } catch (error) {
        // Not there, or damaged: they say nothing then.
        if (!(error instanceof ImageError)) throw error;
      }
    }
    return undefined;
  }

  #bytesOf({ offset, length }: Block): Uint8Array {
    return this.#content.subarray(offset, offset + length);
  }

  /** The packs that its pages are in. */
  get packs(): readonly NumberedPack[] {
    return this.#table.packs;
  }

  close(): void {
    for (const hashes of this.#hashes.values()) hashes?.close();
    this.#pages.close();
  }
}
