/**
 * Image files as JSON, as `crit decode` of CRIU 4.2 prints them: field names and order of the schema. Pretty
 * means over several lines, and numbers in the way that the field's attribute `show` asks for.
 *
 * What crit cannot print is there as well: fields of a newer CRIU, as they are, under the key "unknown".
 * from-json.ts is the inverse.
 */
import { ImageError } from "../../errors.ts";
import {
  type GhostFileEntry,
  IMAGE_KINDS,
  type ImageKind,
  type MessageName,
  type TcpStreamEntry,
} from "../../generated/messages.ts";
import { bytesToJson, protobufToJson, recordsToJson } from "../../wasm/transcoder.ts";
import type { ImageRecord } from "../checkpoint.ts";
import { type AnyMessage, encodeProtobuf } from "../codec.ts";
import { type FramedFile, MAX_RECORDS, readGhostChunks, readIpcMessages } from "../framing.ts";
import { type Json, type JsonObject, parseJson, printJson, quote } from "./text.ts";

// Values.

/** An address in network order: one word, or four. */
export function address(words: number[]): string {
  const octets = words.flatMap((word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]);
  if (words.length === 1) return octets.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => (octets[2 * index]! << 8) | octets[2 * index + 1]!);
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** MIME base64: lines of 76 characters, each with a newline, the last one too. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += BASE64_PART)
    text += parseJson(fromAscii(bytesToJson(bytes.subarray(start, start + BASE64_PART)))) as string;
  return text;
}

/** Bytes that the core is given at once: whole lines. */
const BASE64_PART = 57 << 14;

function fromAscii(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** UTF-8; bytes that are not become U+DC80 + (byte - 0x80), so that nothing is lost. */
export function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
  }
}

/** One message as the text of JSON; lines after the first begin at column `indent`, or beyond. */
function messageJson(name: MessageName, message: AnyMessage, pretty: boolean, indent = 0): string {
  return fromAscii(protobufToJson(name, encodeProtobuf(name, message as never), pretty, indent));
}

/** One message as JSON. */
export function showMessage(name: MessageName, message: AnyMessage, pretty = true): JsonObject {
  return parseJson(messageJson(name, message, pretty)) as JsonObject;
}

// Payloads.

function showPayload(kind: ImageKind, message: unknown, payload: Uint8Array): Json {
  switch (kind) {
    case "TCP_STREAM": {
      const { inq_len } = message as TcpStreamEntry;
      return { inq: base64(payload.subarray(0, inq_len)), outq: base64(payload.subarray(inq_len)) };
    }
    case "IPCNS_SEM": {
      const { nsems } = message as { nsems: number };
      const view = new DataView(payload.buffer, payload.byteOffset);
      return Array.from({ length: nsems }, (_, index) => view.getUint16(2 * index, true));
    }
    case "IPCNS_SHM": {
      const { size } = message as { size: bigint };
      return base64(payload.subarray(0, Number(size)));
    }
    case "IPCNS_MSG":
      return readIpcMessages(payload).flatMap((queued) => [
        showMessage("ipc_msg", queued.message as unknown as AnyMessage, false),
        base64(queued.text),
      ]);
    default:
      return base64(payload);
  }
}

/** Columns at which the records of an image begin. */
const RECORD_INDENT = 8;

/** The text of a message, with its payload under the key "extra". */
function withExtra(json: string, extra: Json, pretty: boolean): string {
  const [blanks, end] = pretty
    ? [`\n${" ".repeat(RECORD_INDENT + 4)}`, `\n${" ".repeat(RECORD_INDENT)}}`]
    : ["", "}"];
  const start = json === "{}" ? "{" : `${json.slice(0, -end.length)},${pretty ? "" : " "}`;
  return `${start}${blanks}"extra": ${printJson(extra, pretty ? blanks.slice(1) : undefined)}${end}`;
}

/** The entries that a record stands for: one, but for a ghost file in pieces. */
function recordJson(
  kind: ImageKind,
  name: MessageName,
  { message, payload }: ImageRecord,
  pretty: boolean,
): string[] {
  const entry = messageJson(name, message as unknown as AnyMessage, pretty, RECORD_INDENT);
  if (payload === undefined) return [entry];
  if (kind === "GHOST_FILE" && (message as unknown as GhostFileEntry).chunks) {
    const chunks = readGhostChunks(payload).map(({ offset, content, unknown }) => {
      const chunk = { len: BigInt(content.length), off: offset, unknown };
      return withExtra(
        messageJson("ghost_chunk_entry", chunk, pretty, RECORD_INDENT),
        base64(content),
        pretty,
      );
    });
    return [entry, ...chunks];
  }
  return [withExtra(entry, showPayload(kind, message, payload), pretty)];
}

// Image files.

/** The name by which crit knows the magic of a kind: where some share one, the name of the first. */
export function magicName(kind: ImageKind): string {
  const kinds = Object.keys(IMAGE_KINDS) as ImageKind[];
  return kinds.find((candidate) => IMAGE_KINDS[candidate].magic === IMAGE_KINDS[kind].magic)!;
}

/** What stands before the entries of an image, and after them. */
function frame(kind: ImageKind, pretty: boolean): { start: string; end: (isEmpty: boolean) => string } {
  if (IMAGE_KINDS[kind].messages.length === 0) throw new ImageError("holds raw bytes, not records", { kind });
  const line = pretty ? "\n    " : "";
  return {
    start: `{${line}"magic": ${quote(magicName(kind))},${pretty ? line : " "}"entries": [`,
    end: (isEmpty) => `${isEmpty ? "" : line}]${pretty ? "\n" : ""}}`,
  };
}

function messageOfRecord(kind: ImageKind, record: number): MessageName {
  const { messages } = IMAGE_KINDS[kind];
  return messages[Math.min(record, messages.length - 1)]!;
}

/** Text is handed out in parts of about so many characters. */
const PART = 1 << 16;

/**
 * One image file as JSON, part by part, so that one of many records need not be in memory whole.
 * @throws ImageError for kinds that have no records
 */
export function* jsonOf<K extends ImageKind>(
  kind: K,
  records: Iterable<ImageRecord<K>>,
  pretty: boolean,
): Generator<string> {
  const { start, end } = frame(kind, pretty);
  const separator = pretty ? `\n${" ".repeat(RECORD_INDENT)}` : " ";
  let part = start;
  let index = 0;
  let isEmpty = true;
  for (const record of records) {
    for (const entry of recordJson(kind, messageOfRecord(kind, index), record, pretty)) {
      part += isEmpty ? (pretty ? separator : "") : `,${separator}`;
      part += entry;
      isEmpty = false;
    }
    index++;
    if (part.length >= PART) {
      yield part;
      part = "";
    }
  }
  yield part + end(isEmpty);
}

/**
 * An image without payloads as JSON, part by part: the same as `jsonOf` makes of its records, without making them.
 * Parts are views that hold until the next is asked for.
 * @throws ImageError naming record, offset and field
 */
export function* jsonOfFile(
  kind: ImageKind,
  file: FramedFile,
  pretty: boolean,
): Generator<string | Uint8Array> {
  const { start, end } = frame(kind, pretty);
  yield start;
  let record = 0;
  while (!file.isAtEnd) {
    const most = record < IMAGE_KINDS[kind].messages.length - 1 ? 1 : MAX_RECORDS - record;
    const options = { most, pretty, isFirst: record === 0 };
    const { json, count } = file.take(record, (bytes) =>
      recordsToJson(messageOfRecord(kind, record), bytes, options),
    );
    record += count;
    yield json;
  }
  yield end(record === 0);
}

/** One image file as JSON. @throws ImageError for kinds that have no records */
export function toJson<K extends ImageKind>(
  kind: K,
  records: Iterable<ImageRecord<K>>,
  pretty = true,
): string {
  return [...jsonOf(kind, records, pretty)].join("");
}
