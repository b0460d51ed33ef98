/**
 * Images as JSON, as `crit decode --pretty` of CRIU 4.2 prints them: field names and order of the schema,
 * numbers in the way the field's attribute `show` asks for.
 */
import { ImageError } from "../errors.ts";
import {
  ENUMS,
  type GhostFileEntry,
  IMAGE_KINDS,
  type ImageKind,
  type MessageName,
  type TcpStreamEntry,
} from "../generated/messages.ts";
import type { ImageRecord } from "./checkpoint.ts";
import type { AnyMessage } from "./codec.ts";
import { readGhostChunks, readIpcMessages } from "./framing.ts";
import { type FieldSchema, messageSchema } from "./schema.ts";

type Json = string | number | bigint | boolean | Json[] | { [key: string]: Json };

// Names of bits and values.

const FLAGS: Record<string, readonly (readonly [name: string, bit: number])[]> = {
  "mmap.prot": [
    ["PROT_READ", 0x1],
    ["PROT_WRITE", 0x2],
    ["PROT_EXEC", 0x4],
  ],
  "mmap.flags": [
    ["MAP_SHARED", 0x1],
    ["MAP_PRIVATE", 0x2],
    ["MAP_ANON", 0x20],
    ["MAP_GROWSDOWN", 0x100],
  ],
  "mmap.status": [
    ["VMA_AREA_REGULAR", 0x1],
    ["VMA_AREA_STACK", 0x2],
    ["VMA_AREA_VSYSCALL", 0x4],
    ["VMA_AREA_VDSO", 0x8],
    ["VMA_AREA_HEAP", 0x20],
    ["VMA_FILE_PRIVATE", 0x40],
    ["VMA_FILE_SHARED", 0x80],
    ["VMA_ANON_SHARED", 0x100],
    ["VMA_ANON_PRIVATE", 0x200],
    ["VMA_AREA_SYSVIPC", 0x400],
    ["VMA_AREA_SOCKET", 0x800],
    ["VMA_AREA_VVAR", 0x1000],
    ["VMA_AREA_AIORING", 0x2000],
    ["VMA_AREA_MEMFD", 0x4000],
    ["VMA_AREA_SHSTK", 0x8000],
    ["VMA_AREA_UPROBES", 0x20000],
    ["VMA_UNSUPP", 0x80000000],
  ],
  "rfile.flags": [
    ["O_WRONLY", 0o1],
    ["O_RDWR", 0o2],
    ["O_CREAT", 0o100],
    ["O_EXCL", 0o200],
    ["O_NOCTTY", 0o400],
    ["O_TRUNC", 0o1000],
    ["O_APPEND", 0o2000],
    ["O_NONBLOCK", 0o4000],
    ["O_DSYNC", 0o10000],
    ["FASYNC", 0o20000],
    ["O_DIRECT", 0o40000],
    ["O_LARGEFILE", 0o100000],
    ["O_DIRECTORY", 0o200000],
    ["O_NOFOLLOW", 0o400000],
    ["O_NOATIME", 0o1000000],
    ["O_CLOEXEC", 0o2000000],
  ],
  "pmap.flags": [
    ["PE_PARENT", 1],
    ["PE_LAZY", 2],
    ["PE_PRESENT", 4],
  ],
  "seals.flags": [
    ["F_SEAL_SEAL", 0x1],
    ["F_SEAL_SHRINK", 0x2],
    ["F_SEAL_GROW", 0x4],
    ["F_SEAL_WRITE", 0x8],
    ["F_SEAL_FUTURE_WRITE", 0x10],
  ],
};

/** By the dictionary that the attribute names, then by the field. */
const NAMES: Record<string, Record<string, Record<number, string>>> = {
  // 4.2 has no name for 2, a task that is dead, and mixes up 3 and 6; these are what they are.
  gen: { task_state: { 1: "Alive", 3: "Stopped", 6: "Zombie" } },
  sk: {
    family: { 1: "UNIX", 2: "INET", 10: "INET6", 16: "NETLINK", 17: "PACKET" },
    type: { 1: "STREAM", 2: "DGRAM", 3: "RAW", 5: "SEQPACKET", 10: "PACKET" },
    state: {
      1: "ESTABLISHED",
      2: "SYN_SENT",
      3: "SYN_RECV",
      4: "FIN_WAIT1",
      5: "FIN_WAIT2",
      6: "TIME_WAIT",
      7: "CLOSE",
      8: "CLOSE_WAIT",
      9: "LAST_ACK",
      10: "LISTEN",
    },
    proto: { 0: "IP", 6: "TCP", 17: "UDP", 136: "UDPLITE" },
  },
};

// Values.

function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function flags(value: number, dictionary: string): string {
  const names: string[] = [];
  let rest = value;
  for (const [name, bit] of FLAGS[dictionary]) {
    if ((value & bit) !== 0) names.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) names.push(hex(rest >>> 0));
  return names.join(" | ");
}

/** A device number as the kernel keeps it, 20 bits of minor. */
function device(value: number): string {
  return `${value >>> 20}:${value & 0xfffff}`;
}

/** A device number as stat(2) gives it: the minor's bits from 8 on are above the major's. */
function statDevice(value: number): string {
  return `${(value >>> 8) & 0xfff}:${(value & 0xff) | ((value >>> 12) & 0xfff00)}`;
}

/** An address in network order: one word, or four. */
export function address(words: number[]): string {
  const octets = words.flatMap((word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]);
  if (words.length === 1) return octets.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => (octets[2 * index] << 8) | octets[2 * index + 1]);
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
  for (let start = 0; start < bytes.length; start += 57) {
    text += `${btoa(String.fromCharCode(...bytes.subarray(start, start + 57)))}\n`;
  }
  return text;
}

/** Quoted-printable, as socket names are shown: abstract ones begin with "=00". */
function quotedPrintable(bytes: Uint8Array): string {
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

function showNumber(field: FieldSchema, value: number | bigint, asHex: boolean): Json {
  if (field.enumeration !== undefined) {
    const names = Object.entries(ENUMS[field.enumeration]);
    return names.find(([, number]) => number === value)?.[0] ?? value;
  }
  if (asHex || field.show === "hex") return hex(value);
  const [hint, dictionary] = field.show?.split(" ") ?? [];
  switch (hint) {
    case "dev":
      return device(Number(value));
    case "odev":
      return statDevice(Number(value));
    case "flags":
      return flags(Number(value), dictionary);
    case "dict":
      return NAMES[dictionary][field.name][Number(value)] ?? value;
    default:
      return value;
  }
}

function showValue(field: FieldSchema, value: unknown, asHex: boolean): Json {
  switch (field.type) {
    case "message":
      return showMessage(field.message!, value as AnyMessage, asHex || field.show === "hex");
    case "bool":
      return value as boolean;
    case "string":
      return text(value as Uint8Array);
    case "bytes":
      return (field.show === "unix_name" ? quotedPrintable : base64)(value as Uint8Array);
    default:
      return showNumber(field, value as number | bigint, asHex);
  }
}

/** `asHex`: all numbers of the message, because the field it is in asks for it. */
function showMessage(name: MessageName, message: AnyMessage, asHex = false): { [key: string]: Json } {
  const result: { [key: string]: Json } = {};
  for (const field of messageSchema(name)) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.label !== "repeated") {
      result[field.name] = showValue(field, value, asHex);
      continue;
    }
    const values = value as unknown[];
    if (values.length === 0) continue;
    result[field.name] =
      field.show === "ip" && (values.length === 1 || values.length === 4)
        ? [address(values as number[])]
        : values.map((element) => showValue(field, element, asHex));
  }
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
        showMessage("ipc_msg", queued.message as unknown as AnyMessage),
        base64(queued.text),
      ]);
    default:
      return base64(payload);
  }
}

function showRecord(kind: ImageKind, name: MessageName, { message, payload }: ImageRecord): Json[] {
  const entry = showMessage(name, message as unknown as AnyMessage);
  if (payload === undefined) return [entry];
  if (kind === "GHOST_FILE" && (message as unknown as GhostFileEntry).chunks) {
    const chunks = readGhostChunks(payload).map(({ offset, content }) => ({
      len: content.length,
      off: offset,
      extra: base64(content),
    }));
    return [entry, ...chunks];
  }
  return [{ ...entry, extra: showPayload(kind, message, payload) }];
}

/** Objects and arrays over several lines, 4 spaces a level; everything beyond ASCII escaped. */
function print(value: Json, indent: string): string {
  if (typeof value === "string") {
    return JSON.stringify(value).replace(
      /[\u007f-\uffff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  if (typeof value !== "object") return String(value);
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((element) => print(element, inner))
    : Object.entries(value).map(([key, element]) => `${print(key, inner)}: ${print(element, inner)}`);
  if (items.length === 0) return open + close;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** Kinds that share a magic are shown under the name of the first. */
function shownName(kind: ImageKind): string {
  const kinds = Object.keys(IMAGE_KINDS) as ImageKind[];
  return kinds.find((candidate) => IMAGE_KINDS[candidate].magic === IMAGE_KINDS[kind].magic)!;
}

/** One image file as JSON. @throws ImageError for kinds that have no records */
export function toJson<K extends ImageKind>(kind: K, records: readonly ImageRecord<K>[]): string {
  const { messages } = IMAGE_KINDS[kind];
  if (messages.length === 0) throw new ImageError("holds raw bytes, not records", { kind });
  const entries = records.flatMap((record, index) =>
    showRecord(kind, messages[Math.min(index, messages.length - 1)], record),
  );
  return print({ magic: shownName(kind), entries }, "");
}
