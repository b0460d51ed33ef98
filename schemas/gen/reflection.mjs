/**
 * Reads a compiled schema (.bfbs, as flatc --schema writes it) into plain objects: only the parts that the
 * generator uses. Slots are those of FlatBuffers' own reflection.fbs.
 */
import { ByteBuffer } from "flatbuffers";

const BASE_TYPES = [
  "none",
  "utype",
  "bool",
  "byte",
  "ubyte",
  "short",
  "ushort",
  "int",
  "uint",
  "long",
  "ulong",
  "float",
  "double",
  "string",
  "vector",
  "table",
];

class Table {
  constructor(buffer, position) {
    this.buffer = buffer;
    this.position = position;
  }

  #field(slot) {
    const offset = this.buffer.__offset(this.position, 4 + 2 * slot);
    return offset === 0 ? undefined : this.position + offset;
  }

  text(slot) {
    const at = this.#field(slot);
    return at === undefined ? "" : this.buffer.__string(at);
  }

  number(slot, read, missing = 0) {
    const at = this.#field(slot);
    return at === undefined ? missing : this.buffer[read](at);
  }

  table(slot) {
    return new Table(this.buffer, this.buffer.__indirect(this.#field(slot)));
  }

  tables(slot) {
    const at = this.#field(slot);
    if (at === undefined) return [];
    const start = this.buffer.__vector(at);
    return Array.from(
      { length: this.buffer.__vector_len(at) },
      (_, index) => new Table(this.buffer, this.buffer.__indirect(start + 4 * index)),
    );
  }

  attributes(slot) {
    return Object.fromEntries(this.tables(slot).map((pair) => [pair.text(0), pair.text(1)]));
  }
}

function readField(field) {
  const type = field.table(1);
  return {
    name: field.text(0),
    slot: field.number(2, "readUint16"),
    type: BASE_TYPES[type.number(0, "readInt8")],
    element: BASE_TYPES[type.number(1, "readInt8")],
    /** Index of the table in `tables`, for a table or a vector of tables. */
    table: type.number(2, "readInt32", -1),
    required: field.number(7, "readInt8") !== 0,
    optional: field.number(11, "readInt8") !== 0,
    attributes: field.attributes(9),
  };
}

/** @returns {{tables: object[], enums: object[]}} tables with their fields, in the order of their slots. */
export function readCompiledSchema(bytes) {
  const buffer = new ByteBuffer(bytes);
  const schema = new Table(buffer, buffer.readInt32(0));
  return {
    tables: schema.tables(0).map((table) => ({
      name: table.text(0).replace(/^criu\./, ""),
      attributes: table.attributes(5),
      file: table.text(7),
      fields: table
        .tables(1)
        .map(readField)
        .sort((a, b) => a.slot - b.slot),
    })),
    enums: schema.tables(1).map((entry) => ({
      name: entry.text(0).replace(/^criu\./, ""),
      attributes: entry.attributes(4),
      values: entry
        .tables(1)
        .map((value) => ({ name: value.text(0), value: Number(value.number(1, "readInt64", 0n)) })),
    })),
  };
}
