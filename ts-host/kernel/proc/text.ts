/**
 * What the parsers of /proc share. Text is decoded as latin1 throughout: one character is one byte, so names
 * and paths, which may be any bytes, come out of it unchanged.
 */
import { CriuWasmError } from "../../errors.ts";

/** A file of /proc does not look as the kernel writes it. `context.file` is FILE:LINE, lines from 1. */
export class ProcFormatError extends CriuWasmError {}

/** Where in a file a text stands, for messages; `line` counts from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export function malformed(place: Place, field: string, expected: string, found: string): ProcFormatError {
  const shown = found.length > 80 ? `${found.slice(0, 80)}…` : found;
  return new ProcFormatError(`${expected} expected, found ${JSON.stringify(shown)}`, {
    file: `${place.file}:${place.line}`,
    field,
  });
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** The lines of a file, without their newlines; a last empty one is none. */
export function linesOf(bytes: Uint8Array, file: string): { text: string; place: Place }[] {
  const lines = textOf(bytes).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((text, index) => ({ text, place: { file, line: index + 1 } }));
}

/** A decimal number that a double holds exactly. */
export function decimal(text: string | undefined, place: Place, field: string): number {
  if (text === undefined || !/^-?\d{1,15}$/.test(text)) {
    throw malformed(place, field, "a decimal number", text ?? "nothing");
  }
  return Number(text);
}

/** A decimal number of 64 bits, with or without sign. */
export function decimal64(text: string | undefined, place: Place, field: string): bigint {
  if (text === undefined || !/^-?\d{1,20}$/.test(text)) {
    throw malformed(place, field, "a decimal number", text ?? "nothing");
  }
  return BigInt(text);
}

export function hexadecimal(text: string | undefined, place: Place, field: string): bigint {
  if (text === undefined || !/^[0-9a-f]{1,16}$/.test(text)) {
    throw malformed(place, field, "a hexadecimal number", text ?? "nothing");
  }
  return BigInt(`0x${text}`);
}

export function octal(text: string | undefined, place: Place, field: string): number {
  if (text === undefined || !/^[0-7]{1,11}$/.test(text)) {
    throw malformed(place, field, "an octal number", text ?? "nothing");
  }
  return Number.parseInt(text, 8);
}

/** Undoes the kernel's \ooo escapes: of white space and backslashes in mountinfo. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
}
