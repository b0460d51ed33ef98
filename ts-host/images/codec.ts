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
  return buildRoot(name, value).slice();
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
  return toProtobuf(name, buildRoot(name, value));
}

/** protobuf -> object. @throws ImageError */
export function decodeProtobuf<N extends MessageName>(name: N, proto: Uint8Array): MessageTypes[N] {
  return readRoot(name, transcode("fromProtobuf", name, proto));
}

// Objects -> FlatBuffers. Everything a table refers to is built before it.

const FIRST_CAPACITY = 64 << 10;
/** A builder that has grown beyond this is not kept. */
const KEPT_CAPACITY = 1 << 20;
let builder = new Builder(FIRST_CAPACITY);
/** Where the value being built is: "vmas", 3, "start". */
const path: (string | number)[] = [];

/** A view of the builder's memory: good until the next call. */
function buildRoot<N extends MessageName>(name: N, value: MessageTypes[N]): Uint8Array {
  if (builder.dataBuffer().capacity() > KEPT_CAPACITY) builder = new Builder(FIRST_CAPACITY);
  builder.clear();
  path.length = 0;
  builder.finish(buildTable(name, value as unknown as AnyMessage));
  return builder.asUint8Array();
}

function wrong(message: string): ImageError {
  const field = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return new ImageError(message, field === "" ? {} : { field: field.slice(1) });
}

const RANGES = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
} as const;

/** Adds a number or bool, as an element or as the field that `slot` is then called for. */
function addScalar({ type, width }: FieldSchema, value: unknown): void {
  if (type === "bool") {
    if (typeof value !== "boolean") throw wrong("must be true or false");
    builder.addInt8(value ? 1 : 0);
    return;
  }
  const range = RANGES[type as keyof typeof RANGES];
  const fits = width === 8 ? typeof value === "bigint" : Number.isInteger(value);
  if (!fits || (value as bigint) < range[0] || (value as bigint) > range[1]) {
    throw wrong(`${String(value)} is not a value of type ${type}`);
  }
  if (width === 8) builder.addInt64(value as bigint);
  else builder.addInt32(value as number);
}

function buildBytes(value: unknown): number {
  if (!(value instanceof Uint8Array)) throw wrong("must be bytes");
  return builder.createByteVector(value);
}

function buildTable(name: MessageName, value: AnyMessage): number {
  if (typeof value !== "object" || value === null) throw wrong("must be a message");
  const schema = messageSchema(name);
  const offsets = schema.map((field) => {
    if (!field.isReferred && value[field.name] !== undefined) return 0;
    path.push(field.name);
    const offset = buildReferred(field, value[field.name]);
    path.pop();
    return offset;
  });
  path.push("unknown");
  const unknown = value.unknown === undefined ? 0 : buildBytes(value.unknown);
  path.pop();
  builder.startObject(schema.length + 1);
  if (unknown !== 0) builder.addFieldOffset(UNKNOWN_SLOT, unknown, 0);
  // The widest first: they then need no padding between them. Scalars are written even where they are 0, which
  // is not the same as absent.
  for (const width of [8, 4, 1]) {
    for (let index = 0; index < schema.length; index++) {
      const field = schema[index];
      if ((field.isReferred ? 4 : field.width) !== width) continue;
      if (field.isReferred) {
        if (offsets[index] !== 0) builder.addFieldOffset(field.slot, offsets[index], 0);
      } else if (value[field.name] !== undefined) {
        path.push(field.name);
        addScalar(field, value[field.name]);
        builder.slot(field.slot);
        path.pop();
      }
    }
  }
  return builder.endObject();
}

/** Builds what a table refers to by offset; 0: nothing. */
function buildReferred(field: FieldSchema, value: unknown): number {
  if (value === undefined) {
    if (field.label !== "optional") throw wrong("required field is missing");
    return 0;
  }
  if (!field.isReferred) return 0;
  if (field.label === "repeated") {
    if (!Array.isArray(value)) throw wrong("must be an array");
    return value.length === 0 ? 0 : buildVector(field, value);
  }
  return field.type === "message" ? buildTable(field.message!, value as AnyMessage) : buildBytes(value);
}

function buildVector(field: FieldSchema, values: unknown[]): number {
  const { type, width } = field;
  const ofNumbers = type !== "message" && type !== "bytes" && type !== "string";
  const offsets = ofNumbers ? [] : values.map((value, index) => buildElement(field, value, index));
  builder.startVector(width, values.length, width);
  for (let index = values.length - 1; index >= 0; index--) {
    if (ofNumbers) {
      path.push(index);
      addScalar(field, values[index]);
      path.pop();
    } else {
      builder.addOffset(offsets[index]);
    }
  }
  return builder.endVector();
}

function buildElement(field: FieldSchema, value: unknown, index: number): number {
  path.push(index);
  const offset =
    field.type === "message" ? buildTable(field.message!, value as AnyMessage) : buildBytesTable(value);
  path.pop();
  return offset;
}

/** The table `Bytes` of the schema. */
function buildBytesTable(bytes: unknown): number {
  const vector = buildBytes(bytes);
  builder.startObject(1);
  builder.addFieldOffset(0, vector, 0);
  return builder.endObject();
}

// FlatBuffers -> objects. The buffer has been checked, or comes from the core.

/** A FlatBuffer being read: its structure by the runtime, its numbers by a DataView, which is faster. */
interface Flat {
  buffer: ByteBuffer;
  numbers: DataView;
}

function readRoot<N extends MessageName>(name: N, flat: Uint8Array): MessageTypes[N] {
  // A plain Uint8Array even if a Buffer was given: slices are then copies.
  const buffer = new ByteBuffer(new Uint8Array(flat.buffer, flat.byteOffset, flat.length));
  const numbers = new DataView(flat.buffer, flat.byteOffset, flat.length);
  return readTable({ buffer, numbers }, name, buffer.readInt32(0)) as unknown as MessageTypes[N];
}

function readTable(flat: Flat, name: MessageName, table: number): AnyMessage {
  const result: AnyMessage = {};
  for (const field of messageSchema(name)) {
    const offset = flat.buffer.__offset(table, 4 + 2 * field.slot);
    if (field.label === "repeated") {
      result[field.name] = offset === 0 ? [] : readVector(flat, field, table + offset);
    } else if (offset !== 0) {
      result[field.name] = readValue(flat, field, table + offset);
    } else if (field.label === "required") {
      result[field.name] = field.type === "bool" ? false : field.width === 8 ? 0n : 0;
    }
  }
  const unknown = flat.buffer.__offset(table, 4 + 2 * UNKNOWN_SLOT);
  if (unknown !== 0 && flat.buffer.__vector_len(table + unknown) > 0) {
    result.unknown = readBytes(flat, table + unknown);
  }
  return result;
}

function readValue(flat: Flat, field: FieldSchema, at: number): unknown {
  switch (field.type) {
    case "bool":
      return flat.numbers.getUint8(at) !== 0;
    case "uint32":
      return flat.numbers.getUint32(at, true);
    case "int32":
    case "sint32":
      return flat.numbers.getInt32(at, true);
    case "uint64":
    case "fixed64":
      return flat.numbers.getBigUint64(at, true);
    case "int64":
    case "sint64":
      return flat.numbers.getBigInt64(at, true);
    case "message":
      return readTable(flat, field.message!, flat.buffer.__indirect(at));
    default:
      return readBytes(flat, at);
  }
}

function readVector(flat: Flat, field: FieldSchema, at: number): unknown[] {
  const start = flat.buffer.__vector(at);
  const isBytes = field.type === "bytes" || field.type === "string";
  const values: unknown[] = [];
  for (let left = flat.buffer.__vector_len(at), element = start; left > 0; left--, element += field.width) {
    values.push(isBytes ? readBytesTable(flat, element) : readValue(flat, field, element));
  }
  return values;
}

/** The table `Bytes` of the schema. */
function readBytesTable(flat: Flat, at: number): Uint8Array {
  const table = flat.buffer.__indirect(at);
  return readBytes(flat, table + flat.buffer.__offset(table, 4));
}

/** A copy: the buffer may be the core's memory. */
function readBytes({ buffer }: Flat, at: number): Uint8Array {
  const start = buffer.__vector(at);
  return buffer.bytes().slice(start, start + buffer.__vector_len(at));
}
