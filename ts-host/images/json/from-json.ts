/**
 * Image files from JSON: the inverse of to-json.ts, for both ways in which crit prints. What a message does not
 * have is refused by name, so that no slip of the pen is lost.
 */
import { bytesOfLatin1 } from "#platform";
import { CriuWasmError, ImageError } from "../../errors.ts";
import { ENUMS, IMAGE_KINDS, type ImageKind, type MessageName } from "../../generated/messages.ts";
import type { Progress } from "../../offline/progress.ts";
import type { ImageRecord } from "../checkpoint.ts";
import type { AnyMessage } from "../codec.ts";
import { writeGhostChunks, writeImageInSteps, writeIpcMessages } from "../framing.ts";
import { type FieldSchema, messageSchema } from "../schema.ts";
import { FLAGS, NAMES } from "./names.ts";
import { type Json, type JsonObject, parseJsonInSteps } from "./text.ts";

function wrong(field: string, message: string): ImageError {
  return new ImageError(message, { field });
}

// Values.

function asObject(value: Json | undefined, field: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(field, "must be an object");
  return value;
}

function asArray(value: Json | undefined, field: string): Json[] {
  if (!Array.isArray(value)) throw wrong(field, "must be an array");
  return value;
}

function asText(value: Json | undefined, field: string): string {
  if (typeof value !== "string") throw wrong(field, "must be a string");
  return value;
}

function fromBase64(value: Json | undefined, field: string): Uint8Array {
  try {
    return bytesOfLatin1(atob(asText(value, field)));
  } catch (error) {
    throw error instanceof CriuWasmError ? error : wrong(field, "must be base64");
  }
}

function fromQuotedPrintable(value: string, field: string): Uint8Array {
  if (!/^[\0-\x7f]*$/.test(value)) throw wrong(field, "must be quoted-printable");
  const plain = value
    .replace(/=\r?\n/g, "")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return bytesOfLatin1(plain);
}

/** UTF-8; U+DC80 to U+DCFF stand for single bytes, which is what they are in strings that are not UTF-8. */
function fromText(value: string, field: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(value)) return new TextEncoder().encode(value);
  return Uint8Array.from(value, (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0x80) return code;
    if (code < 0xdc80 || code > 0xdcff)
      throw wrong(field, "must be text, or single bytes as U+DC80 to U+DCFF");
    return code - 0xdc00;
  });
}

/** Decimal, 0x, 0o or 0b, as Python reads them. */
function integer(text: string, field: string): bigint {
  const match = /^\s*(-?)((?:0x[0-9a-f]+)|(?:0o[0-7]+)|(?:0b[01]+)|\d+)\s*$/i.exec(text);
  if (!match) throw wrong(field, `"${text}" is not a number`);
  const value = BigInt(match[2]!);
  return match[1] === "-" ? -value : value;
}

function fromFlags(text: string, dictionary: string, field: string): bigint {
  const bits = new Map(FLAGS[dictionary]);
  const names = text.split("|").map((name) => name.trim());
  return names
    .filter((name) => name !== "")
    .reduce((sum, name) => sum | (bits.get(name) ?? integer(name, field)), 0n);
}

/** The inverse of `device` and `statDevice`. */
function fromDevice(text: string, isStat: boolean, field: string): bigint {
  const parts = text.split(":");
  if (parts.length !== 2) throw wrong(field, `"${text}" is not a device number`);
  const [major, minor] = parts.map((part) => integer(part, field)) as [bigint, bigint];
  if (!isStat) return (major << 20n) | minor;
  return (
    ((major & 0xfffn) << 8n) |
    ((major & 0xfffff000n) << 32n) |
    (minor & 0xffn) |
    ((minor & 0xffffff00n) << 12n)
  );
}

/** The words of an IPv4 or IPv6 address in network order. */
function fromAddress(text: string, field: string): number[] {
  const octets = text.includes(":") ? ipv6Octets(text) : ipv4Octets(text);
  if (!octets) throw wrong(field, `"${text}" is not an IP address`);
  const view = new DataView(Uint8Array.from(octets).buffer);
  return Array.from({ length: octets.length / 4 }, (_, index) => view.getUint32(4 * index, true));
}

function ipv4Octets(text: string): number[] | undefined {
  const octets = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return octets.length === 4 && octets.every((octet) => octet < 256) ? octets : undefined;
}

function ipv6Octets(text: string): number[] | undefined {
  const halves = text.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const [left, right = []] = halves as [string[], string[]?];
  const missing = 8 - left.length - right.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...left, ...Array<string>(missing).fill("0"), ...right];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}

function namedNumber(schema: FieldSchema, text: string, field: string): bigint {
  if (schema.enumeration !== undefined) {
    const value = ENUMS[schema.enumeration]![text];
    if (value === undefined) throw wrong(field, `"${text}" is not one of ${schema.enumeration}`);
    return BigInt(value);
  }
  const [hint, dictionary = ""] = schema.show?.split(" ") ?? [];
  switch (hint) {
    case "dev":
    case "odev":
      return fromDevice(text, hint === "odev", field);
    case "flags":
      return fromFlags(text, dictionary, field);
    case "dict": {
      const name = Object.entries(NAMES[dictionary]![schema.name]!).find(([, word]) => word === text);
      return name === undefined ? integer(text, field) : BigInt(name[0]);
    }
    default:
      return integer(text, field);
  }
}

function readNumber(schema: FieldSchema, value: Json, field: string): number | bigint {
  if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "string")
    throw wrong(field, "must be a number");
  if (typeof value === "number" && !Number.isInteger(value)) throw wrong(field, "must be an integer");
  const exact = typeof value === "string" ? namedNumber(schema, value, field) : BigInt(value);
  return schema.width === 8 ? exact : Number(exact);
}

function readValue(schema: FieldSchema, value: Json, field: string): unknown {
  switch (schema.type) {
    case "message":
      return readMessage(schema.message!, asObject(value, field), field);
    case "bool":
      if (typeof value !== "boolean") throw wrong(field, "must be true or false");
      return value;
    case "string":
      return fromText(asText(value, field), field);
    case "bytes":
      return schema.show === "unix_name"
        ? fromQuotedPrintable(asText(value, field), field)
        : fromBase64(value, field);
    default:
      return readNumber(schema, value, field);
  }
}

function readRepeated(schema: FieldSchema, value: Json, field: string): unknown[] {
  const values = asArray(value, field);
  if (schema.show === "ip" && typeof values[0] === "string")
    return values.flatMap((text) => fromAddress(asText(text, field), field));
  return values.map((element, index) => readValue(schema, element, `${field}[${index}]`));
}

/** A message of JSON; `path` is the field that holds it, "" for the message of a record. */
function readMessage(name: MessageName, object: JsonObject, path: string): AnyMessage {
  const message: AnyMessage = {};
  const inPath = (key: string) => (path === "" ? key : `${path}.${key}`);
  const left = new Set(Object.keys(object));
  for (const schema of messageSchema(name)) {
    const value = object[schema.name];
    left.delete(schema.name);
    const field = inPath(schema.name);
    if (schema.label === "repeated") {
      message[schema.name] = value === undefined ? [] : readRepeated(schema, value, field);
    } else if (value !== undefined) {
      message[schema.name] = readValue(schema, value, field);
    }
  }
  if (left.delete("unknown")) message.unknown = fromBase64(object.unknown, inPath("unknown"));
  for (const key of left) throw wrong(inPath(key), `${name} has no such field`);
  return message;
}

// Payloads.

function semaphores(values: Json[]): Uint8Array {
  const payload = new Uint8Array(2 * values.length);
  const view = new DataView(payload.buffer);
  values.forEach((value, index) => {
    if (typeof value !== "number" || (value & 0xffff) !== value)
      throw wrong(`extra[${index}]`, "must be a number of 16 bits");
    view.setUint16(2 * index, value, true);
  });
  return payload;
}

function queuedMessages(values: Json[]): Uint8Array {
  const messages = Array.from({ length: values.length / 2 }, (_, index) => {
    const field = `extra[${2 * index}]`;
    const message = readMessage("ipc_msg", asObject(values[2 * index], field), field);
    return { message: message as never, text: fromBase64(values[2 * index + 1], `extra[${2 * index + 1}]`) };
  });
  return writeIpcMessages(messages);
}

function readPayload(kind: ImageKind, extra: Json): Uint8Array {
  switch (kind) {
    case "TCP_STREAM": {
      const { inq, outq } = asObject(extra, "extra");
      const [input, output] = [fromBase64(inq, "extra.inq"), fromBase64(outq, "extra.outq")];
      return Uint8Array.from([...input, ...output]);
    }
    case "IPCNS_SEM":
      return semaphores(asArray(extra, "extra"));
    case "IPCNS_MSG":
      return queuedMessages(asArray(extra, "extra"));
    default:
      return fromBase64(extra, "extra");
  }
}

function readRecord(kind: ImageKind, name: MessageName, entry: JsonObject): ImageRecord {
  const { extra, ...fields } = entry;
  const message = readMessage(name, fields, "") as unknown as ImageRecord["message"];
  if (extra === undefined) return { message };
  if (!("payload" in IMAGE_KINDS[kind])) throw wrong("extra", `images of kind ${kind} have no payload`);
  return { message, payload: readPayload(kind, extra) };
}

/** The entries after the first of a ghost file are its chunks. */
function readGhostFile(entries: JsonObject[]): ImageRecord[] {
  const [first, ...rest] = entries;
  if (!first) return [];
  const record = inRecord(0, () => readRecord("GHOST_FILE", "ghost_file_entry", first));
  if (rest.length === 0) return [record];
  const chunks = rest.map((entry, index) =>
    inRecord(index + 1, () => {
      const { extra, ...fields } = entry;
      const { off, unknown } = readMessage("ghost_chunk_entry", fields, "");
      return {
        offset: off as bigint,
        content: fromBase64(extra, "extra"),
        ...(unknown === undefined ? {} : { unknown: unknown as Uint8Array }),
      };
    }),
  );
  return [{ ...record, payload: writeGhostChunks(chunks) }];
}

function inRecord<T>(record: number, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof CriuWasmError ? error.within({ record }) : error;
  }
}

// Image files.

/** The kind with that magic; of those that share one, the first. */
function kindOf(magic: Json | undefined): ImageKind {
  const kinds = Object.keys(IMAGE_KINDS) as ImageKind[];
  const kind = kinds.find((candidate) => candidate === magic);
  if (kind === undefined) throw wrong("magic", "must name a kind of image");
  if (IMAGE_KINDS[kind].messages.length === 0) throw wrong("magic", `${kind} has raw bytes, not records`);
  return kind;
}

/** Between the records it says which part of them is done. */
function* readRecords(kind: ImageKind, entries: JsonObject[]): Generator<number, ImageRecord[]> {
  if (kind === "GHOST_FILE") return readGhostFile(entries);
  const { messages } = IMAGE_KINDS[kind];
  const records: ImageRecord[] = [];
  for (const [index, entry] of entries.entries()) {
    const name = messages[Math.min(index, messages.length - 1)]!;
    records.push(inRecord(index, () => readRecord(kind, name, entry)));
    yield index / entries.length;
  }
  return records;
}

/** Work that says which part of it is done, as one third of more. */
function* third<R>(number: 0 | 1 | 2, work: Generator<number, R>): Generator<Progress, R> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    yield { done: number + step.value, total: 3 };
  }
}

/** The image file that a text describes. @throws ImageError naming the place in the text, or record and field */
export function* imageOfJson(text: string): Generator<Progress, Uint8Array> {
  const image = asObject(yield* third(0, parseJsonInSteps(text)), "the image");
  const kind = kindOf(image.magic);
  const entries = asArray(image.entries, "entries").map((entry, index) =>
    asObject(entry, `entries[${index}]`),
  );
  const records = yield* third(1, readRecords(kind, entries));
  return yield* third(2, writeImageInSteps(kind, records as never));
}
