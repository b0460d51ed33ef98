/**
 * Image files of CRIU: a header, then records, each `u32 size, protobuf message` and, for some kinds, raw bytes
 * that follow it. What a record's message says about those bytes is in schemas/images.json.
 *
 * `payload` is always what the file has after the record, padding included. Two kinds frame their payload
 * further; `readIpcMessages` and `readGhostChunks` take it apart, their inverses put it together.
 */
import { ImageError } from "../errors.ts";
import {
  IMAGE_KINDS,
  type ImageFormat,
  type ImageKind,
  type IpcMsg,
  type MessageName,
  type MessageTypes,
  type SizedPayload,
} from "../generated/messages.ts";
import type { ImageName, ImageRecord } from "./checkpoint.ts";
import { decodeProtobuf, encodeProtobuf } from "./codec.ts";
import { type EntryRecord, readPlainEntries, writePlainEntries } from "./pagemap.ts";
import type { RandomFile } from "./source.ts";

const ORDINARY_MAGIC = 0x54564319;
const SERVICE_MAGIC = 0x55105940;
/** More records than this are refused; the largest images, pagemaps, have one per run of pages. */
export const MAX_RECORDS = 4 << 20;

const NOTHING = new Uint8Array();
const KINDS = Object.keys(IMAGE_KINDS) as ImageKind[];

// File names.

const ID_PATTERNS: Record<string, RegExp> = {
  u: /^\d+$/,
  lu: /^\d+$/,
  d: /^-?\d+$/,
  ld: /^-?\d+$/,
  x: /^[0-9a-f]+$/,
  s: /^[a-z]+$/,
};
const ID_PLACE = /%(l?u|l?d|x|s)/;

/** How a kind's files are called: what stands before and after the id, or the whole name where there is none. */
interface NamePattern {
  kind: ImageKind;
  before: string;
  /** Conversion of the id, as printf knows it: "u", "x" … */
  conversion: string | undefined;
  after: string;
}

const patterns = new Map<ImageKind, NamePattern>();
/** By the first word of the name: few begin with the same. */
let patternsByWord: Map<string, NamePattern[]> | undefined;

/** Each is made when it is asked for: few are, as a rule. */
function patternOf(kind: ImageKind): NamePattern {
  let pattern = patterns.get(kind);
  if (pattern === undefined) {
    const [before, conversion, after = ""] = IMAGE_KINDS[kind].pattern.split(ID_PLACE);
    pattern = { kind, before, conversion, after };
    patterns.set(kind, pattern);
  }
  return pattern;
}

const firstWord = (name: string) => name.slice(0, name.search(/[-.]|$/));

function readPatterns(): Map<string, NamePattern[]> {
  const byWord = new Map<string, NamePattern[]>();
  for (const kind of KINDS) {
    const word = firstWord(IMAGE_KINDS[kind].pattern);
    byWord.set(word, [...(byWord.get(word) ?? []), patternOf(kind)]);
  }
  return byWord;
}

/** `{ kind: "CORE", id: 812 }` -> `core-812.img`. */
export function imageFileName({ kind, id }: ImageName): string {
  const { before, conversion, after } = patternOf(kind);
  if (conversion === undefined) return before;
  return before + (conversion === "x" && typeof id === "number" ? id.toString(16) : String(id)) + after;
}

function idIn(file: string, { before, after }: NamePattern): string | undefined {
  if (!file.startsWith(before) || !file.endsWith(after)) return undefined;
  return file.slice(before.length, file.length - after.length);
}

/** `core-812.img` -> `{ kind: "CORE", id: 812 }`; undefined for what is not an image's name. */
export function parseImageFileName(file: string): ImageName | undefined {
  patternsByWord ??= readPatterns();
  for (const pattern of patternsByWord.get(firstWord(file)) ?? []) {
    const { kind, conversion } = pattern;
    const id = idIn(file, pattern);
    if (conversion === undefined && id === "") return { kind };
    if (conversion === undefined || id === undefined || !ID_PATTERNS[conversion].test(id)) continue;
    const number = Number.parseInt(id, conversion === "x" ? 16 : 10);
    const name = { kind, id: Number.isSafeInteger(number) ? number : id };
    if (imageFileName(name) === file) return name;
  }
  return undefined;
}

// Reading.

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #file: string | undefined;
  offset = 0;
  /** Number of the record being read, for messages. */
  record: number | undefined;

  constructor(bytes: Uint8Array, file: string | undefined) {
    // A plain Uint8Array even if a Buffer was given: payloads are parts of it.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#file = file;
  }

  get left(): number {
    return this.#bytes.length - this.offset;
  }

  error(message: string, offset = this.offset): ImageError {
    return new ImageError(message, { file: this.#file, record: this.record, offset });
  }

  uint32(what: string): number {
    if (this.left < 4) throw this.error(`ends in the middle of ${what}`);
    this.offset += 4;
    return this.#view.getUint32(this.offset - 4, true);
  }

  /** A view, not a copy. */
  bytes(length: number | bigint, what: string): Uint8Array {
    if (length > this.left) throw this.error(`${what} of ${length} bytes, but only ${this.left} are left`);
    const start = this.offset;
    this.offset += Number(length);
    return this.#bytes.subarray(start, this.offset);
  }

  /** Entries of a pagemap as long as they are of the common form. */
  plainEntries(): EntryRecord[] {
    const { records, consumed } = readPlainEntries(this.#bytes.subarray(this.offset));
    this.offset += consumed;
    return records;
  }

  message<N extends MessageName>(name: N): MessageTypes[N] {
    const proto = this.bytes(this.uint32("a record's size"), "a record");
    try {
      return decodeProtobuf(name, proto);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      error.context.offset = this.offset - proto.length + (error.context.offset ?? 0);
      throw error.within({ file: this.#file, record: this.record });
    }
  }
}

function checkHeader(reader: Reader, kind: ImageKind): void {
  const { header, magic } = IMAGE_KINDS[kind];
  if (header === "none") return;
  if (header !== "magic") {
    const family = header === "service" ? SERVICE_MAGIC : ORDINARY_MAGIC;
    if (reader.uint32("the header") !== family) throw reader.error("not a CRIU image of version 1.1", 0);
  }
  const found = reader.uint32("the header");
  if (found !== magic) {
    const other = KINDS.find((candidate) => IMAGE_KINDS[candidate].magic === found);
    throw reader.error(`not an image of kind ${kind}${other ? ` but ${other}` : ""}`, reader.offset - 4);
  }
}

/** The kind that an image's header names; undefined where it names none. Kinds that share a magic: the first. */
export function kindOfImage(bytes: Uint8Array): ImageKind | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint32(0, true);
  if (first === IMAGE_KINDS.INVENTORY.magic) return "INVENTORY";
  if ((first !== ORDINARY_MAGIC && first !== SERVICE_MAGIC) || bytes.length < 8) return undefined;
  const header = first === ORDINARY_MAGIC ? "ordinary" : "service";
  const magic = view.getUint32(4, true);
  return KINDS.find((kind) => IMAGE_KINDS[kind].magic === magic && IMAGE_KINDS[kind].header === header);
}

/**
 * The records of a whole image file, one by one. Payloads are views of `bytes`. Images without records (raw bytes)
 * give one record with an empty message and everything as its payload.
 * @throws ImageError naming `file`, the record, the offset in the file, and the field where one is to blame
 */
export function* readRecords<K extends ImageKind>(
  kind: K,
  bytes: Uint8Array,
  file?: string,
): Generator<ImageRecord<K>> {
  const format: ImageFormat = IMAGE_KINDS[kind];
  const reader = new Reader(bytes, file);
  checkHeader(reader, kind);
  if (format.messages.length === 0) {
    yield { message: {}, payload: reader.bytes(reader.left, "content") } as unknown as ImageRecord<K>;
    return;
  }
  let count = 0;
  while (reader.left > 0) {
    reader.record = count;
    if (count >= MAX_RECORDS) throw reader.error(`more than ${MAX_RECORDS} records`);
    const name = messageOfRecord(format, count);
    const plain = name === "pagemap_entry" ? reader.plainEntries() : [];
    if (plain.length > 0) {
      for (const record of plain) yield record as ImageRecord<K>;
      count += plain.length;
      continue;
    }
    const message = reader.message(name);
    const payload = readPayload(reader, format, message);
    yield (payload === undefined ? { message } : { message, payload }) as ImageRecord<K>;
    count++;
  }
}

/** All records of a whole image file, as `readRecords` gives them. */
export function parseImage<K extends ImageKind>(kind: K, bytes: Uint8Array, file?: string): ImageRecord<K>[] {
  return [...readRecords(kind, bytes, file)];
}

function messageOfRecord({ messages }: ImageFormat, record: number): MessageName {
  return messages[Math.min(record, messages.length - 1)];
}

function readPayload(reader: Reader, { payload }: ImageFormat, message: unknown): Uint8Array | undefined {
  if (payload === undefined) return undefined;
  const start = reader.offset;
  if (payload === "ipc messages") {
    const { qnum } = message as MessageTypes["ipc_msg_entry"];
    for (let index = 0; index < qnum; index++) readIpcMessage(reader);
  } else if (payload === "ghost file") {
    if ((message as MessageTypes["ghost_file_entry"]).chunks) {
      while (reader.left > 0) readGhostChunk(reader);
    } else {
      return reader.bytes(reader.left, "content");
    }
  } else {
    const sizes = payloadSizes(payload, message);
    return sizes && reader.bytes(sizes.padded, "a payload");
  }
  const length = reader.offset - start;
  reader.offset = start;
  return reader.bytes(length, "a payload");
}

/** Bytes of the payload without and with padding; undefined: there is none. */
function payloadSizes(rule: SizedPayload, message: unknown): { content: bigint; padded: bigint } | undefined {
  const fields = message as Record<string, number | bigint | boolean | undefined>;
  if (rule.unless !== undefined && fields[rule.unless]) return undefined;
  const sum = rule.sizes.reduce((total, name) => total + BigInt(fields[name] as number | bigint), 0n);
  const content = sum * BigInt(rule.unit ?? 1);
  return { content, padded: roundUp(content, BigInt(rule.padTo ?? 1)) };
}

function roundUp(size: bigint, multiple: bigint): bigint {
  return ((size + multiple - 1n) / multiple) * multiple;
}

/** Bytes of a file that are looked at once. */
const WINDOW = 1 << 16;

/** The framed records of an image file without payloads, a part of the file at a time. */
export class FramedFile {
  readonly #file: RandomFile;
  /** One for all windows: fresh memory takes longer than what is done with it. */
  #buffer = new Uint8Array(0);
  #window = this.#buffer;
  /** Where the window begins in the file. */
  #offset: number;

  /** Checks the header. */
  constructor(kind: ImageKind, file: RandomFile) {
    this.#file = file;
    const header = new Uint8Array(Math.min(8, file.length));
    file.read(header, 0);
    const reader = new Reader(header, file.path);
    checkHeader(reader, kind);
    this.#offset = reader.offset;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#file.length;
  }

  /**
   * Hands records to `use`, which says how many bytes of whole ones it took. `record`: number of the first.
   * @throws ImageError where the next is not whole; those of `use`, with the place in the file
   */
  take<T extends { consumed: number }>(record: number, use: (records: Uint8Array) => T): T {
    for (let size = WINDOW; ; ) {
      this.#look(size);
      const taken = this.#use(record, use);
      if (taken.consumed > 0) {
        this.#window = this.#window.subarray(taken.consumed);
        this.#offset += taken.consumed;
        return taken;
      }
      size = this.#sizeOfNext(record);
    }
  }

  /** Makes the window at least so long, as far as the file goes. */
  #look(size: number): void {
    const left = this.#file.length - this.#offset;
    // What is left of a window is mostly the rest of one record.
    if (this.#window.length >= Math.min(left, Math.max(size, 2 * this.#window.length - WINDOW))) return;
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size);
    this.#window = this.#buffer.subarray(0, Math.min(size, left));
    this.#file.read(this.#window, this.#offset);
  }

  #use<T>(record: number, use: (records: Uint8Array) => T): T {
    try {
      return use(this.#window);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      error.context.offset = this.#offset + (error.context.offset ?? 0);
      error.context.record = record + (error.context.record ?? 0);
      throw error.within({ file: this.#file.path });
    }
  }

  /** Bytes of the next record, which is not whole in the window. */
  #sizeOfNext(record: number): number {
    const reader = new Reader(this.#window, this.#file.path);
    reader.record = record;
    const left = this.#file.length - this.#offset;
    if (left < 4) throw reader.error("ends in the middle of a record's size", this.#offset);
    const size = reader.uint32("a record's size");
    if (size > left - 4) {
      const message = `a record of ${size} bytes, but only ${left - 4} are left`;
      throw reader.error(message, this.#offset + 4);
    }
    return size + 4;
  }
}

// Framed payloads.

/** A message in a System V queue: its type and size, and `msize` bytes of text. */
export interface QueuedMessage {
  message: IpcMsg;
  text: Uint8Array;
}

function readIpcMessage(reader: Reader): QueuedMessage {
  const message = reader.message("ipc_msg");
  const text = reader.bytes(roundUp(BigInt(message.msize), 8n), "a queued message");
  return { message, text: text.subarray(0, message.msize) };
}

/** The messages in the payload of a record of IPCNS_MSG. */
export function readIpcMessages(payload: Uint8Array): QueuedMessage[] {
  const reader = new Reader(payload, undefined);
  const messages: QueuedMessage[] = [];
  while (reader.left > 0) messages.push(readIpcMessage(reader));
  return messages;
}

/** The payload of a record of IPCNS_MSG. */
export function writeIpcMessages(messages: readonly QueuedMessage[]): Uint8Array {
  const writer = new Writer();
  for (const { message, text } of messages) {
    if (message.msize !== text.length) {
      throw new ImageError(`a queued message has ${text.length} bytes, its record says ${message.msize}`);
    }
    writer.message("ipc_msg", message);
    writer.bytes(text);
    writer.zeros(Number(roundUp(BigInt(text.length), 8n)) - text.length);
  }
  return writer.finish();
}

/** A run of bytes of a sparse ghost file, from byte `offset` of it. */
export interface GhostChunk {
  offset: bigint;
  content: Uint8Array;
  /** Fields of a newer CRIU, as they are. */
  unknown?: Uint8Array;
}

function readGhostChunk(reader: Reader): GhostChunk {
  const { len, off, unknown } = reader.message("ghost_chunk_entry");
  const content = reader.bytes(len, "a chunk of a file");
  return unknown === undefined ? { offset: off, content } : { offset: off, content, unknown };
}

/** The chunks in the payload of a ghost file whose record has `chunks` set. */
export function readGhostChunks(payload: Uint8Array): GhostChunk[] {
  const reader = new Reader(payload, undefined);
  const chunks: GhostChunk[] = [];
  while (reader.left > 0) chunks.push(readGhostChunk(reader));
  return chunks;
}

/** The payload of a ghost file whose record has `chunks` set. */
export function writeGhostChunks(chunks: readonly GhostChunk[]): Uint8Array {
  const writer = new Writer();
  for (const { offset, content, unknown } of chunks) {
    writer.message("ghost_chunk_entry", { len: BigInt(content.length), off: offset, unknown });
    writer.bytes(content);
  }
  return writer.finish();
}

// Writing.

class Writer {
  #bytes = new Uint8Array(4096);
  #length = 0;

  #room(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
    }
    return start;
  }

  bytes(part: Uint8Array): void {
    const start = this.#room(part.length);
    this.#bytes.set(part, start);
  }

  zeros(count: number): void {
    this.#room(count);
  }

  uint32(value: number): void {
    const start = this.#room(4);
    new DataView(this.#bytes.buffer).setUint32(start, value, true);
  }

  message<N extends MessageName>(name: N, message: MessageTypes[N]): void {
    const proto = encodeProtobuf(name, message);
    this.uint32(proto.length);
    this.bytes(proto);
  }

  /** Entries of a pagemap from `first` on, as long as they are of the common form; returns how many. */
  plainEntries(records: readonly EntryRecord[], first: number): number {
    const { bytes, count } = writePlainEntries(records, first);
    this.bytes(bytes);
    return count;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/**
 * The whole image file: the inverse of `parseImage`. A payload may come without its padding.
 * @throws ImageError naming `file`, the record and field that cannot be written
 */
export function writeImage<K extends ImageKind>(
  kind: K,
  records: readonly ImageRecord<K>[],
  file?: string,
): Uint8Array {
  const writing = writeImageInSteps(kind, records, file);
  for (;;) {
    const step = writing.next();
    if (step.done) return step.value;
  }
}

/** The same; between the records it says which part of them is written. */
export function* writeImageInSteps<K extends ImageKind>(
  kind: K,
  records: readonly ImageRecord<K>[],
  file?: string,
): Generator<number, Uint8Array> {
  const format: ImageFormat = IMAGE_KINDS[kind];
  const writer = new Writer();
  if (format.header === "ordinary") writer.uint32(ORDINARY_MAGIC);
  if (format.header === "service") writer.uint32(SERVICE_MAGIC);
  if (format.header !== "none") writer.uint32(format.magic);
  let record = 0;
  while (record < records.length) {
    const plain = messageOfRecord(format, record) === "pagemap_entry";
    const written = plain ? writer.plainEntries(records as readonly EntryRecord[], record) : 0;
    if (written === 0) writeRecord(writer, format, records[record], { file, record });
    record += Math.max(written, 1);
    yield record / records.length;
  }
  return writer.finish();
}

function writeRecord(
  writer: Writer,
  format: ImageFormat,
  { message, payload }: ImageRecord,
  context: { file: string | undefined; record: number },
): void {
  try {
    if (format.messages.length > 0) writer.message(messageOfRecord(format, context.record), message as never);
    writePayload(writer, format, message, payload);
  } catch (error) {
    throw error instanceof ImageError ? error.within(context) : error;
  }
}

function writePayload(
  writer: Writer,
  format: ImageFormat,
  message: unknown,
  payload: Uint8Array = NOTHING,
): void {
  const rule = format.payload;
  if (typeof rule === "string" || format.messages.length === 0) {
    writer.bytes(payload);
    return;
  }
  const { content, padded } = (rule && payloadSizes(rule, message)) ?? { content: 0n, padded: 0n };
  const length = BigInt(payload.length);
  if (length !== content && length !== padded) {
    throw new ImageError(`the payload has ${length} bytes, its record says ${content}`);
  }
  writer.bytes(payload);
  writer.zeros(Number(padded - length));
}
