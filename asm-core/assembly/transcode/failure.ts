/**
 * Why the last call failed. There are no exceptions here: functions return 0 or false, and the host asks.
 * The codes are known to ts-host/wasm/transcoder.ts.
 */
import { MAX_DEPTH } from "./limits";

export const TRUNCATED: u32 = 1;
export const LONG_VARINT: u32 = 2;
export const BAD_TAG: u32 = 3;
export const WRONG_WIRE_TYPE: u32 = 4;
export const DUPLICATE: u32 = 5;
export const MISSING: u32 = 6;
export const TOO_DEEP: u32 = 7;
export const TOO_MANY_VALUES: u32 = 8;
export const TOO_LARGE: u32 = 9;
export const OUT_OF_BOUNDS: u32 = 10;
export const MISALIGNED: u32 = 11;
export const BAD_VTABLE: u32 = 12;
export const BAD_BOOL: u32 = 13;
export const NEWER_SCHEMA: u32 = 14;
export const KNOWN_FIELD: u32 = 15;
/** Never seen by the host: the call is repeated with a larger output buffer. */
export const OUTPUT_FULL: u32 = 16;

/** In `enter`: the field is not repeated. */
export const NO_ELEMENT: u32 = 0xffffffff;

/** In `enter`, as the field: those that the schema does not know. */
export const UNKNOWN_FIELDS: u32 = 0xffffffff;

/** Per level: u32 index of the field, u32 index of the element or NO_ELEMENT. */
const path: usize = memory.data((MAX_DEPTH + 1) * 8);

let code: u32 = 0;
let offset: u32 = 0;
let levels: u32 = 0;

/** Says which field of the message at level `depth` is being worked on. */
// @ts-ignore: decorator
@inline
export function enter(depth: u32, field: u32, element: u32): void {
  store<u32>(path + depth * 8, field);
  store<u32>(path + depth * 8, element, 4);
}

/** `known`: how many levels of the path are right. Returns 0, for `return fail(…)`. */
export function fail(reason: u32, at: usize, known: u32): usize {
  code = reason;
  offset = <u32>at;
  levels = known;
  return 0;
}

export function failureCode(): u32 {
  return code;
}

/** Byte offset in the input. */
export function failureOffset(): u32 {
  return offset;
}

export function failurePath(): usize {
  return path;
}

export function failureLevels(): u32 {
  return levels;
}
