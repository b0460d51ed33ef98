/**
 * Messages as plain objects <-> FlatBuffers (native images) <-> protobuf (CRIU's images). Driven by the schema
 * table alone; what is particular to one message is nowhere.
 */
import { Builder, ByteBuffer } from "flatbuffers";
import { ImageError } from "../errors.ts";
import type { MessageName, MessageTypes } from "../generated/messages.ts";
import { transcode, verifyFlat } from "../wasm/transcoder.ts";
import { type FieldSchema, messageSchema } from "./schema.ts";

/** Any message: fields by their names. */
export type AnyMessage = Record<string, unknown>;

const UNKNOWN_SLOT = 0;

/** Object -> FlatBuffer. @throws ImageError naming the field that is missing or does not fit its type */
export function encodeMessage<N extends MessageName>(name: N, value: MessageTypes[N]): Uint8Array {
  const builder = new Builder(1024);
  builder.finish(buildTable(builder, name, value as unknown as AnyMessage, ""));
  return builder.asUint8Array();
}

/** FlatBuffer -> object; the buffer is checked first. @throws ImageError */
export function decodeMessage<N extends MessageName>(name: N, flat: Uint8Array): MessageTypes[N] {
  verifyFlat(name, flat);
  return readRoot(name, flat);
}

/** FlatBuffer -> protobuf. @throws ImageError */
export function toProtobuf(name: MessageName, flat: Uint8Array): Uint8Array {
  return transcode("toProtobuf", name, flat).slice();
}

/** protobuf -> FlatBuffer. @throws ImageError */
export function fromProtobuf(name: MessageName, proto: Uint8Array): Uint8Array {
  return transcode("fromProtobuf", name, proto).slice();
}

/** Object -> protobuf. @throws ImageError */
export function encodeProtobuf<N extends MessageName>(name: N, value: MessageTypes[N]): Uint8Array {
  return toProtobuf(name, encodeMessage(name, value));
}

/** protobuf -> object. @throws ImageError */
export function decodeProtobuf<N extends MessageName>(name: N, proto: Uint8Array): MessageTypes[N] {
  return readRoot(name, transcode("fromProtobuf", name, proto));
}

// Objects -> FlatBuffers. Everything a table refers to is built before it.

const RANGES = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
} as const;

/** The value of a number or bool field, checked: 64-bit ones as bigint. */
function checkScalar(type: keyof typeof RANGES | "bool", value: unknown, path: string): number | bigint {
  if (type === "bool") {
    if (typeof value !== "boolean") throw new ImageError("must be true or false", { field: path });
    return value ? 1 : 0;
  }
  const [low, high] = RANGES[type];
  const fits =
    typeof low === "bigint"
      ? typeof value === "bigint"
      : typeof value === "number" && Number.isInteger(value);
  if (!fits || (value as bigint) < low || (value as bigint) > high) {
    throw new ImageError(`${String(value)} is not a value of type ${type}`, { field: path });
  }
  return value as number | bigint;
}

function checkBytes(value: unknown, path: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new ImageError("must be bytes", { field: path });
  return value;
}

function buildTable(builder: Builder, name: MessageName, value: AnyMessage, path: string): number {
  if (typeof value !== "object" || value === null) throw new ImageError("must be a message", { field: path });
  const schema = messageSchema(name);
  const offsets = schema.map((field) =>
    buildReferred(builder, field, value[field.name], within(path, field)),
  );
  const unknown =
    value.unknown === undefined
      ? 0
      : builder.createByteVector(checkBytes(value.unknown, path === "" ? "unknown" : `${path}.unknown`));
  builder.startObject(schema.length + 1);
  if (unknown !== 0) builder.addFieldOffset(UNKNOWN_SLOT, unknown, 0);
  // Wide fields first: they then need no padding between them.
  for (const width of [8, 4, 1]) {
    schema.forEach((field, index) => {
      if (widthOf(field) !== width) return;
      if (isReferred(field)) {
        if (offsets[index] !== 0) builder.addFieldOffset(field.slot, offsets[index], 0);
      } else if (value[field.name] !== undefined) {
        addScalar(builder, field, value[field.name], within(path, field));
      }
    });
  }
  return builder.endObject();
}

function within(path: string, field: FieldSchema): string {
  return path === "" ? field.name : `${path}.${field.name}`;
}

function isReferred({ type, label }: FieldSchema): boolean {
  return label === "repeated" || type === "message" || type === "bytes" || type === "string";
}

function elementWidth({ type }: FieldSchema): 1 | 4 | 8 {
  if (type === "bool") return 1;
  return type.endsWith("64") ? 8 : 4;
}

function widthOf(field: FieldSchema): 1 | 4 | 8 {
  return isReferred(field) ? 4 : elementWidth(field);
}

/** Builds what a table refers to by offset; 0: nothing. */
function buildReferred(builder: Builder, field: FieldSchema, value: unknown, path: string): number {
  if (value === undefined) {
    if (field.label !== "optional") throw new ImageError("required field is missing", { field: path });
    return 0;
  }
  if (field.label === "repeated") {
    if (!Array.isArray(value)) throw new ImageError("must be an array", { field: path });
    return value.length === 0 ? 0 : buildVector(builder, field, value, path);
  }
  if (field.type === "message") return buildTable(builder, field.message!, value as AnyMessage, path);
  return isReferred(field) ? builder.createByteVector(checkBytes(value, path)) : 0;
}

function buildVector(builder: Builder, field: FieldSchema, values: unknown[], path: string): number {
  const { type } = field;
  if (type === "message" || type === "bytes" || type === "string") {
    const offsets = values.map((value, index) => {
      const own = `${path}[${index}]`;
      return type === "message"
        ? buildTable(builder, field.message!, value as AnyMessage, own)
        : buildBytesTable(builder, checkBytes(value, own));
    });
    builder.startVector(4, offsets.length, 4);
    for (const offset of offsets.reverse()) builder.addOffset(offset);
    return builder.endVector();
  }
  const width = elementWidth(field);
  builder.startVector(width, values.length, width);
  for (let index = values.length - 1; index >= 0; index--) {
    const value = checkScalar(type, values[index], `${path}[${index}]`);
    if (width === 8) builder.addInt64(value as bigint);
    else if (width === 4) builder.addInt32(value as number);
    else builder.addInt8(value as number);
  }
  return builder.endVector();
}

/** The table `Bytes` of the schema. */
function buildBytesTable(builder: Builder, bytes: Uint8Array): number {
  const vector = builder.createByteVector(bytes);
  builder.startObject(1);
  builder.addFieldOffset(0, vector, 0);
  return builder.endObject();
}

function addScalar(builder: Builder, field: FieldSchema, value: unknown, path: string): void {
  const checked = checkScalar(field.type as keyof typeof RANGES, value, path);
  const width = widthOf(field);
  // Written whatever it is: 0 is not the same as absent.
  if (width === 8) builder.addInt64(checked as bigint);
  else if (width === 4) builder.addInt32(checked as number);
  else builder.addInt8(checked as number);
  builder.slot(field.slot);
}

// FlatBuffers -> objects. The buffer has been checked, or comes from the core.

function readRoot<N extends MessageName>(name: N, flat: Uint8Array): MessageTypes[N] {
  const buffer = new ByteBuffer(flat);
  return readTable(buffer, name, buffer.readInt32(0)) as unknown as MessageTypes[N];
}

function readTable(buffer: ByteBuffer, name: MessageName, table: number): AnyMessage {
  const result: AnyMessage = {};
  for (const field of messageSchema(name)) {
    const offset = buffer.__offset(table, 4 + 2 * field.slot);
    if (field.label === "repeated") {
      result[field.name] = offset === 0 ? [] : readVector(buffer, field, table + offset);
    } else if (offset !== 0) {
      result[field.name] = readValue(buffer, field, table + offset);
    } else if (field.label === "required") {
      result[field.name] = field.type === "bool" ? false : elementWidth(field) === 8 ? 0n : 0;
    }
  }
  const unknown = buffer.__offset(table, 4 + 2 * UNKNOWN_SLOT);
  if (unknown !== 0) result.unknown = readBytes(buffer, table + unknown);
  return result;
}

function readValue(buffer: ByteBuffer, field: FieldSchema, at: number): unknown {
  switch (field.type) {
    case "bool":
      return buffer.readUint8(at) !== 0;
    case "uint32":
      return buffer.readUint32(at);
    case "int32":
    case "sint32":
      return buffer.readInt32(at);
    case "uint64":
    case "fixed64":
      return buffer.readUint64(at);
    case "int64":
    case "sint64":
      return buffer.readInt64(at);
    case "message":
      return readTable(buffer, field.message!, buffer.__indirect(at));
    default:
      return readBytes(buffer, at);
  }
}

function readVector(buffer: ByteBuffer, field: FieldSchema, at: number): unknown[] {
  const start = buffer.__vector(at);
  const width = elementWidth(field);
  const isBytes = field.type === "bytes" || field.type === "string";
  return Array.from({ length: buffer.__vector_len(at) }, (_, index) => {
    const element = start + width * index;
    if (!isBytes) return readValue(buffer, field, element);
    const table = buffer.__indirect(element);
    return readBytes(buffer, table + buffer.__offset(table, 4));
  });
}

/** A copy: the buffer may be the core's memory. */
function readBytes(buffer: ByteBuffer, at: number): Uint8Array {
  const start = buffer.__vector(at);
  return buffer.bytes().slice(start, start + buffer.__vector_len(at));
}
