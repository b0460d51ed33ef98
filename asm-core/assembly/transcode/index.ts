/**
 * Messages between protobuf and FlatBuffers, both ways. The host reserves the input, fills it, calls, and reads
 * `transcodeOutput`. Both buffers are reused by the next call and never shrink.
 */
import { failureCode, fail, OUTPUT_FULL, TOO_LARGE } from "./failure";
import { MAX_FLAT, MAX_PROTOBUF } from "./limits";
import { decodeProtobuf } from "./decode";
import { encodeProtobuf } from "./encode";
import { putMessage } from "./json";
import { LONGEST_RECORD, readRows, recordsEnd, ROW, writeRows } from "./pagemap";
import { beginText, cutText, putBase64, putSeparator, textLength } from "./text";
import { verifyFlat } from "./verify";

export { setSchema } from "./schema";
export { setNames } from "./json";
export { textStart } from "./text";
export { failureCode, failureLevels, failureOffset, failurePath } from "./failure";

const FIRST_CAPACITY: usize = 64 << 10;

/** Bytes that may be read after what is printed. */
const SLACK: usize = 16;

let input: usize = 0;
let inputCapacity: usize = 0;
let buffer: usize = 0;
let bufferCapacity: usize = 0;
let output: usize = 0;

/** Where the host puts `length` bytes before it calls one of the functions below; 0: more than any message may have. */
export function transcodeInput(length: usize): usize {
  if (length > MAX_FLAT) return fail(TOO_LARGE, MAX_FLAT, 0);
  if (length > inputCapacity) {
    inputCapacity = roundUp(length);
    input = heap.alloc(inputCapacity + SLACK);
  }
  return input;
}

/** Where the result of the last call is. */
export function transcodeOutput(): usize {
  return output;
}

/** Checks the FlatBuffer in the input: 0 when it may be read, -1 on failure. */
export function verify(message: u32, length: usize): i32 {
  return verifyFlat(message, input, length) ? 0 : -1;
}

/** FlatBuffer in the input -> protobuf in the output: its length, -1 on failure. */
export function toProtobuf(message: u32, length: usize): i32 {
  if (!verifyFlat(message, input, length)) return -1;
  let capacity = roundUp(2 * length);
  do {
    reserve(min(capacity, MAX_PROTOBUF));
    const usable = min(bufferCapacity, MAX_PROTOBUF);
    output = encodeProtobuf(message, input, buffer, usable);
    if (output) return <i32>(buffer + usable - output);
    capacity = 2 * usable;
  } while (capacity <= MAX_PROTOBUF);
  return <i32>fail(TOO_LARGE, 0, 0) - 1;
}

/** protobuf in the input -> FlatBuffer in the output: its length, -1 on failure. */
export function fromProtobuf(message: u32, length: usize): i32 {
  return decodeAt(message, input, length);
}

function decodeAt(message: u32, from: usize, length: usize): i32 {
  if (length > MAX_PROTOBUF) return <i32>fail(TOO_LARGE, MAX_PROTOBUF, 0) - 1;
  let capacity = roundUp(2 * length);
  do {
    reserve(capacity);
    output = buffer;
    const written = decodeProtobuf(message, from, length, buffer, bufferCapacity);
    if (written) return <i32>written;
    if (failureCode() != OUTPUT_FULL) return -1;
    capacity = 2 * bufferCapacity;
  } while (capacity <= MAX_FLAT);
  return <i32>fail(TOO_LARGE, 0, 0) - 1;
}

/**
 * Framed pagemap entries in the input -> rows in the output: how many. Stops before a record that rows cannot
 * hold; `pagemapConsumed` says where.
 */
export function pagemapToRows(length: usize): i32 {
  // The shortest record that is read has 12 bytes: half a row.
  reserve(roundUp(2 * length));
  output = buffer;
  return <i32>((readRows(input, input + length, buffer) - buffer) / ROW);
}

/** Bytes of the input that the last `pagemapToRows` took. */
export function pagemapConsumed(): usize {
  return recordsEnd - input;
}

/** Rows in the input -> framed pagemap entries in the output: their length. */
export function pagemapFromRows(count: u32): i32 {
  reserve(roundUp(<usize>count * LONGEST_RECORD));
  output = buffer;
  return <i32>(writeRows(input, count, buffer) - buffer);
}

/** protobuf in the input -> JSON, of which further lines begin at column `indent`; its length, -1 on failure. */
export function protobufToJson(message: u32, length: usize, pretty: bool, indent: u32): i32 {
  beginText(pretty);
  return print(message, input, length, indent) ? <i32>textLength() : -1;
}

/** Less than this cannot be too large as a FlatBuffer, which may have a hundred bytes for one, nor have too many values. */
const LARGE: usize = 1 << 20;

/** Appends a message to the text, if need be from the common form of it; false where it cannot be read. */
function print(message: u32, from: usize, length: usize, indent: u32): bool {
  if (length > LARGE && decodeAt(message, from, length) < 0) return false;
  const before = textLength();
  if (putMessage(message, from, from + length, indent)) return true;
  if (decodeAt(message, from, length) < 0) return false;
  cutText(before);
  const start = encodeSpare(message, length);
  return putMessage(message, start, spare + spareCapacity, indent);
}

let spare: usize = 0;
let spareCapacity: usize = 0;

/** The FlatBuffer in the output -> protobuf, which ends where `spare` does: where it begins. */
function encodeSpare(message: u32, length: usize): usize {
  let start: usize = 0;
  for (let capacity = roundUp(length); !start; capacity *= 2) {
    if (capacity > spareCapacity) {
      spareCapacity = capacity;
      spare = heap.alloc(capacity + SLACK);
    }
    start = encodeProtobuf(message, output, spare, spareCapacity);
  }
  return start;
}

/** Bytes in the input -> JSON in base64, with its quotes: its length. */
export function bytesToJson(length: usize): i32 {
  beginText(false);
  putBase64(input, length);
  return <i32>textLength();
}

/** Column at which the records of an image begin. */
const RECORD_INDENT: u32 = 8;
let recordCount: u32 = 0;
let recordsTaken: usize = 0;

/**
 * Framed records in the input -> JSON, at most `most` of them, with what stands between them and, unless `isFirst`,
 * before them: the length. Stops before a record that is not whole; -1 where one cannot be read, which is the one
 * after those that `jsonRecords` counts.
 */
export function recordsToJson(message: u32, length: usize, most: u32, pretty: bool, isFirst: bool): i32 {
  const end = input + length;
  let at = input;
  beginText(pretty);
  for (recordCount = 0; recordCount < most && end - at >= 4; recordCount++) {
    const size = <usize>load<u32>(at);
    if (size > end - at - 4) break;
    recordsTaken = at + 4 - input;
    putSeparator(isFirst, RECORD_INDENT);
    if (!print(message, at + 4, size, RECORD_INDENT)) return -1;
    isFirst = false;
    at += 4 + size;
  }
  recordsTaken = at - input;
  return <i32>textLength();
}

/** Records that the last `recordsToJson` printed. */
export function jsonRecords(): u32 {
  return recordCount;
}

/** Bytes of the input that it took; after a failure, where the message begins that cannot be read. */
export function jsonConsumed(): usize {
  return recordsTaken;
}

function reserve(capacity: usize): void {
  if (capacity <= bufferCapacity) return;
  bufferCapacity = capacity;
  buffer = heap.alloc(capacity);
}

/** The next power of two, at least FIRST_CAPACITY. */
function roundUp(bytes: usize): usize {
  return bytes <= FIRST_CAPACITY ? FIRST_CAPACITY : <usize>1 << (32 - <usize>clz(<u32>bytes - 1));
}
