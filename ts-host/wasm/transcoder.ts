/** The core's transcoder: messages between FlatBuffers and protobuf, and as JSON. */
import { ImageError } from "../errors.ts";
import type { MessageName } from "../generated/messages.ts";
import { styleTable } from "../images/json/styles.ts";
import { fieldName, messageIndex, schemaTable } from "../images/schema.ts";
import { Core } from "./core.ts";

/** By the codes of asm-core/assembly/transcode/failure.ts. */
const FAILURES: Record<number, string> = {
  1: "ends in the middle of a value",
  2: "a varint is longer than 10 bytes",
  3: "not a protobuf tag",
  4: "has another wire type than this field",
  5: "occurs more than once",
  6: "required field is missing",
  7: "messages are nested deeper than 64 levels",
  8: "more than 8388608 values in one message",
  9: "message is too large: more than 64 MiB in protobuf or 128 MiB in FlatBuffers",
  10: "an offset points outside of the buffer",
  11: "misaligned",
  12: "bad vtable",
  13: "a bool is neither 0 nor 1",
  14: "written by a newer version: this field is not known here",
  15: "a field among the unknown ones is known",
};
const NO_ELEMENT = 0xffffffff;
const UNKNOWN_FIELDS = 0xffffffff;

type Operation = "toProtobuf" | "fromProtobuf";

const prepared = new WeakSet<Core>();

function preparedCore(): Core {
  const core = Core.shared();
  if (!prepared.has(core)) {
    const table = schemaTable();
    const pointer = core.allocate(table.length);
    core.view(pointer, table.length).set(table);
    core.exports.setSchema(pointer);
    prepared.add(core);
  }
  return core;
}

function failure(core: Core): ImageError {
  const levels = core.exports.failureLevels();
  const words = new DataView(core.exports.memory.buffer, core.exports.failurePath(), 8 * levels);
  let field = "";
  for (let level = 0; level < levels; level++) {
    const element = words.getUint32(8 * level + 4, true);
    if (field !== "") field += ".";
    const index = words.getUint32(8 * level, true);
    field += index === UNKNOWN_FIELDS ? "unknown" : fieldName(index);
    if (element !== NO_ELEMENT) field += `[${element}]`;
  }
  const message = FAILURES[core.exports.failureCode()] ?? "not a message";
  return new ImageError(message, {
    offset: core.exports.failureOffset() >>> 0,
    ...(field === "" ? {} : { field }),
  });
}

function putInput(core: Core, bytes: Uint8Array): void {
  const pointer = core.exports.transcodeInput(bytes.length);
  if (pointer === 0) throw failure(core);
  core.view(pointer, bytes.length).set(bytes);
}

/**
 * Returns a view of the core's memory: good until the next call; copy what is to stay.
 * @throws ImageError with `field` and `offset` in `bytes`
 */
export function transcode(operation: Operation, name: MessageName, bytes: Uint8Array): Uint8Array {
  const core = preparedCore();
  putInput(core, bytes);
  const length = core.exports[operation](messageIndex(name), bytes.length);
  if (length < 0) throw failure(core);
  return core.view(core.exports.transcodeOutput(), length);
}

/** @throws ImageError where `flat` is not a FlatBuffer of that message that can be read safely */
export function verifyFlat(name: MessageName, flat: Uint8Array): void {
  const core = preparedCore();
  putInput(core, flat);
  if (core.exports.verify(messageIndex(name), flat.length) < 0) throw failure(core);
}

let knowsStyles = false;

/** The core, which knows how fields are printed. */
function printingCore(): Core {
  const core = preparedCore();
  if (!knowsStyles) {
    const table = styleTable();
    const pointer = core.allocate(table.length);
    core.view(pointer, table.length).set(table);
    core.exports.setNames(pointer);
    knowsStyles = true;
  }
  return core;
}

/**
 * protobuf -> JSON as crit prints it, lines after the first at column `indent` and beyond; a view of the core's
 * memory. @throws ImageError
 */
export function protobufToJson(
  name: MessageName,
  proto: Uint8Array,
  pretty: boolean,
  indent: number,
): Uint8Array {
  const core = printingCore();
  putInput(core, proto);
  const length = core.exports.protobufToJson(messageIndex(name), proto.length, pretty, indent);
  if (length < 0) throw failure(core);
  return core.view(core.exports.textStart(), length);
}

/** Bytes -> base64 in lines, quoted and escaped as JSON has it; a view of the core's memory. */
export function bytesToJson(bytes: Uint8Array): Uint8Array {
  const core = printingCore();
  putInput(core, bytes);
  const length = core.exports.bytesToJson(bytes.length);
  return core.view(core.exports.textStart(), length);
}

/** Records that were printed: a view of the core's memory; how many, and how many bytes they took. */
export interface PrintedRecords {
  json: Uint8Array;
  count: number;
  consumed: number;
}

/**
 * Framed records of one message -> JSON as they stand in the list of an image's entries; no more than `most`, and
 * only those that are whole.
 * @throws ImageError with `record` and `offset` counted from the first of them
 */
export function recordsToJson(
  name: MessageName,
  records: Uint8Array,
  { most, pretty, isFirst }: { most: number; pretty: boolean; isFirst: boolean },
): PrintedRecords {
  const core = printingCore();
  putInput(core, records);
  const { exports } = core;
  const index = messageIndex(name);
  const length = exports.recordsToJson(index, records.length, most, pretty, isFirst);
  const [count, consumed] = [exports.jsonRecords(), exports.jsonConsumed()];
  if (length < 0) {
    const error = failure(core);
    error.context.offset = consumed + (error.context.offset ?? 0);
    throw error.within({ record: count });
  }
  return { json: core.view(exports.textStart(), length), count, consumed };
}

/** Bytes of a row: u64 vaddr, u64 nr_pages, u32 flags, u32 zero; little-endian. */
export const PAGEMAP_ROW = 24;

/**
 * Framed pagemap entries -> rows, as far as rows can hold them: entries of vaddr, flags and nr_pages alone, as
 * CRIU writes them unless it compresses. `consumed`: how many of the bytes those were. `rows` is a view of the
 * core's memory.
 */
export function pagemapToRows(records: Uint8Array): { rows: Uint8Array; consumed: number } {
  const core = preparedCore();
  putInput(core, records);
  const count = core.exports.pagemapToRows(records.length);
  const rows = core.view(core.exports.transcodeOutput(), PAGEMAP_ROW * count);
  return { rows, consumed: core.exports.pagemapConsumed() };
}

/** Rows -> framed pagemap entries, the inverse of `pagemapToRows`. Returns a view of the core's memory. */
export function pagemapFromRows(rows: Uint8Array): Uint8Array {
  const core = preparedCore();
  putInput(core, rows);
  const length = core.exports.pagemapFromRows(rows.length / PAGEMAP_ROW);
  return core.view(core.exports.transcodeOutput(), length);
}
