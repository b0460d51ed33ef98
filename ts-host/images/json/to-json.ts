/**
 * Image files as JSON, as `crit decode` of CRIU 4.2 prints them: field names and order of the schema. Pretty
 * means over several lines, and numbers in the way that the field's attribute `show` asks for.
 *
 * What crit cannot print is there as well: fields of a newer CRIU, as they are, under the key "unknown".
 * from-json.ts is the inverse.
 */
import { ImageError } from "../../errors.ts";
import {
  ENUMS,
  type GhostFileEntry,
  IMAGE_KINDS,
  type ImageKind,
  type MessageName,
  type TcpStreamEntry,
} from "../../generated/messages.ts";
import type { ImageRecord } from "../checkpoint.ts";
import type { AnyMessage } from "../codec.ts";
import { readGhostChunks, readIpcMessages } from "../framing.ts";
import { type FieldSchema, messageSchema } from "../schema.ts";
import { FLAGS, NAMES } from "./names.ts";
import { type Json, type JsonObject, printJson, quote } from "./text.ts";

/** How numbers are shown. */
interface Style {
  pretty: boolean;
  /** All numbers of the message as hex, because the field it is in asks for it. */
  hex: boolean;
}

// Values.

function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function flags(value: bigint, dictionary: string): string {
  const names: string[] = [];
  let rest = value;
  for (const [name, bit] of FLAGS[dictionary]!) {
    if ((value & bit) !== 0n) names.push(name);
    rest &= ~bit;
  }
  if (rest !== 0n) names.push(hex(rest));
  return names.join(" | ");
}

/** A device number as the kernel keeps it, 20 bits of minor. */
function device(value: bigint): string {
  return `${value >> 20n}:${value & 0xfffffn}`;
}

/** A device number as stat(2) gives it: the low bits of major and minor lie below the high ones. */
function statDevice(value: bigint): string {
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

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
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += 57) {
    lines.push(`${btoa(String.fromCharCode(...bytes.subarray(start, start + 57)))}\n`);
  }
  return lines.join("");
}

/**
 * Quoted-printable, as socket names are shown: abstract ones begin with "=00". A carriage return is escaped, which
 * is the one thing that crit does not do: it loses it.
 */
export function quotedPrintable(bytes: Uint8Array): string {
  let text = "";
  let column = 0;
  bytes.forEach((byte, index) => {
    const next = bytes[index + 1];
    const endsLine = next === undefined || next === 10;
    const isBlank = byte === 32 || byte === 9;
    if (byte === 10) {
      text += "\n";
      column = 0;
      return;
    }
    const loneDot = byte === 46 && column === 0 && (endsLine || next === 13 || next === 0);
    const literal = isBlank ? !endsLine : byte > 32 && byte < 127 && byte !== 61 && !loneDot;
    const token = literal
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    if (column + token.length >= 76 && !(literal && endsLine)) {
      text += "=\n";
      column = 0;
    }
    text += token;
    column += token.length;
  });
  return text;
}

/** UTF-8; bytes that are not become U+DC80 + (byte - 0x80), so that nothing is lost. */
export function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
  }
}

function showNumber(field: FieldSchema, value: number | bigint, style: Style): Json {
  if (field.enumeration !== undefined) {
    const names = Object.entries(ENUMS[field.enumeration]!);
    return names.find(([, number]) => number === value)?.[0] ?? value;
  }
  if (!style.pretty) return value;
  if (style.hex || field.show === "hex") return hex(value);
  const [hint, dictionary] = field.show?.split(" ") ?? [];
  switch (hint) {
    case "dev":
      return device(BigInt(value));
    case "odev":
      return statDevice(BigInt(value));
    case "flags":
      return flags(BigInt(value), dictionary!);
    case "dict":
      return NAMES[dictionary!]![field.name]![Number(value)] ?? value;
    default:
      return value;
  }
}

function showValue(field: FieldSchema, value: unknown, style: Style): Json {
  switch (field.type) {
    case "message":
      return showMessage(field.message!, value as AnyMessage, {
        pretty: style.pretty,
        hex: style.hex || field.show === "hex",
      });
    case "bool":
      return value as boolean;
    case "string":
      return text(value as Uint8Array);
    case "bytes":
      return (field.show === "unix_name" ? quotedPrintable : base64)(value as Uint8Array);
    default:
      return showNumber(field, value as number | bigint, style);
  }
}

/** One message as JSON. */
export function showMessage(
  name: MessageName,
  message: AnyMessage,
  style: Style = { pretty: true, hex: false },
): JsonObject {
  const result: JsonObject = {};
  for (const field of messageSchema(name)) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.label !== "repeated") {
      result[field.name] = showValue(field, value, style);
      continue;
    }
    const values = value as unknown[];
    if (values.length === 0) continue;
    result[field.name] =
      style.pretty && field.show === "ip" && (values.length === 1 || values.length === 4)
        ? [address(values as number[])]
        : values.map((element) => showValue(field, element, style));
  }
  if (message.unknown !== undefined) result.unknown = base64(message.unknown as Uint8Array);
  return result;
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
        showMessage("ipc_msg", queued.message as unknown as AnyMessage, { pretty: false, hex: false }),
        base64(queued.text),
      ]);
    default:
      return base64(payload);
  }
}

function showRecord(
  kind: ImageKind,
  name: MessageName,
  { message, payload }: ImageRecord,
  pretty: boolean,
): JsonObject[] {
  const style = { pretty, hex: false };
  const entry = showMessage(name, message as unknown as AnyMessage, style);
  if (payload === undefined) return [entry];
  if (kind === "GHOST_FILE" && (message as unknown as GhostFileEntry).chunks) {
    const chunks = readGhostChunks(payload).map(({ offset, content, unknown }) => ({
      ...showMessage("ghost_chunk_entry", { len: BigInt(content.length), off: offset, unknown }, style),
      extra: base64(content),
    }));
    return [entry, ...chunks];
  }
  return [{ ...entry, extra: showPayload(kind, message, payload) }];
}

// Image files.

/** The name by which crit knows the magic of a kind: where some share one, the name of the first. */
export function magicName(kind: ImageKind): string {
  const kinds = Object.keys(IMAGE_KINDS) as ImageKind[];
  return kinds.find((candidate) => IMAGE_KINDS[candidate].magic === IMAGE_KINDS[kind].magic)!;
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
  const { messages } = IMAGE_KINDS[kind];
  if (messages.length === 0) throw new ImageError("holds raw bytes, not records", { kind });
  const lineEnd = pretty ? "\n    " : "";
  const entryEnd = pretty ? "\n        " : " ";
  let part = `{${lineEnd}"magic": ${quote(magicName(kind))},${pretty ? lineEnd : " "}"entries": [`;
  let index = 0;
  let isFirst = true;
  for (const record of records) {
    const name = messages[Math.min(index++, messages.length - 1)]!;
    for (const entry of showRecord(kind, name, record, pretty)) {
      part += isFirst ? (pretty ? entryEnd : "") : `,${entryEnd}`;
      part += printJson(entry, pretty ? "        " : undefined);
      isFirst = false;
    }
    if (part.length >= PART) {
      yield part;
      part = "";
    }
  }
  yield `${part}${isFirst ? "" : lineEnd}]${pretty ? "\n" : ""}}`;
}

/** One image file as JSON. @throws ImageError for kinds that have no records */
export function toJson<K extends ImageKind>(
  kind: K,
  records: Iterable<ImageRecord<K>>,
  pretty = true,
): string {
  return [...jsonOf(kind, records, pretty)].join("");
}
