/** The generated table of all messages and fields, as objects. */
import { bytesOfLatin1 } from "#platform";
import type { MessageName } from "../generated/messages.ts";
import { FIELD_ENUMS, FIELDS, MESSAGES, SHOW, TABLE } from "../generated/schema-table.ts";

const TYPES = [
  "bool",
  "int32",
  "uint32",
  "sint32",
  "int64",
  "uint64",
  "sint64",
  "fixed64",
  "bytes",
  "string",
  "message",
] as const;
const LABELS = ["optional", "required", "repeated"] as const;

export interface FieldSchema {
  name: string;
  number: number;
  /** Slot in the FlatBuffers table; slot 0 holds the unknown fields. */
  slot: number;
  type: (typeof TYPES)[number];
  label: (typeof LABELS)[number];
  /** Bytes of the value in FlatBuffers, of an element where it is repeated; of an offset, for what is not a number. */
  width: 1 | 4 | 8;
  /** Whether the table holds an offset to it, not the value itself. */
  isReferred: boolean;
  /** The message of a field of type "message". */
  message?: MessageName;
  /** Name of the enum, in ENUMS, of a field that holds one. */
  enumeration?: string;
  /** How a viewer prints it: "hex", "flags mmap.prot" … */
  show?: string;
}

let table: Uint8Array | undefined;
const indexes = new Map(MESSAGES.map((name, index) => [name, index]));
const schemas = new Map<MessageName, readonly FieldSchema[]>();

/** The table as the core takes it. */
export function schemaTable(): Uint8Array {
  table ??= bytesOfLatin1(atob(TABLE));
  return table;
}

export function messageIndex(name: MessageName): number {
  const index = indexes.get(name);
  if (index === undefined) throw new TypeError(`no message is called ${name}`);
  return index;
}

/** Name of a field by its index in the table. */
export function fieldName(index: number): string {
  return FIELDS[index];
}

/** The fields of a message, by number. */
export function messageSchema(name: MessageName): readonly FieldSchema[] {
  let schema = schemas.get(name);
  if (schema === undefined) {
    schema = readSchema(messageIndex(name));
    schemas.set(name, schema);
  }
  return schema;
}

function widthOf(type: FieldSchema["type"]): 1 | 4 | 8 {
  if (type === "bool") return 1;
  return type.endsWith("64") ? 8 : 4;
}

function readSchema(message: number): FieldSchema[] {
  const bytes = schemaTable();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint16(8 + 4 * message, true);
  const count = view.getUint16(8 + 4 * message + 2, true);
  return Array.from({ length: count }, (_, position) => {
    const index = first + position;
    const row = 8 + 4 * MESSAGES.length + 8 * index;
    const type = TYPES[bytes[row + 5]];
    const label = LABELS[bytes[row + 6]];
    const isScalar = type !== "message" && type !== "bytes" && type !== "string";
    const name = MESSAGES[view.getUint16(row + 2, true)] as MessageName;
    return {
      name: FIELDS[index],
      number: view.getUint16(row, true),
      slot: bytes[row + 4],
      type,
      label,
      width: widthOf(type),
      isReferred: label === "repeated" || !isScalar,
      ...(type === "message" ? { message: name } : {}),
      ...(index in FIELD_ENUMS ? { enumeration: FIELD_ENUMS[index] } : {}),
      ...(index in SHOW ? { show: SHOW[index] } : {}),
    };
  });
}
