/** JSON with integers of any size: those beyond 2^53 are bigints, so that none is rounded. */
import { ImageError } from "../../errors.ts";

export type Json = string | number | bigint | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** Deeper nesting is refused: messages are nested at most 64 levels, each an object and perhaps an array. */
const MAX_DEPTH = 200;

// Printing.

/** A string as Python prints it: everything beyond ASCII escaped. */
export function quote(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The text of `value`: on one line, or with `indent` over several, 4 spaces a level, `indent` being what the
 * lines after the first begin with.
 */
export function printJson(value: Json, indent?: string): string {
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object" || value === null) return String(value);
  const inner = indent === undefined ? undefined : `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((element) => printJson(element, inner))
    : Object.entries(value).map(([key, element]) => `${quote(key)}: ${printJson(element, inner)}`);
  if (items.length === 0) return open + close;
  if (inner === undefined) return open + items.join(", ") + close;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

// Parsing.

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
const LITERALS: [string, Json][] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value();
    this.#end();
    return value;
  }

  /** As `whole`; after each element of an array in the outermost object it says which part of the text is read. */
  *inSteps(): Generator<number, Json> {
    if (this.#next() !== "{") return this.whole();
    const result = newObject();
    this.#at++;
    for (let isFirst = true; this.#hasNext("}", isFirst); isFirst = false) {
      const key = this.#key();
      result[key] = this.#next() === "[" ? yield* this.#arrayInSteps() : this.#value();
    }
    this.#end();
    return result;
  }

  *#arrayInSteps(): Generator<number, Json[]> {
    this.#at++;
    const values: Json[] = [];
    while (this.#hasNext("]", values.length === 0)) {
      values.push(this.#value());
      yield this.#at / this.#text.length;
    }
    return values;
  }

  #end(): void {
    if (this.#next() !== "") this.#fail("something follows the value");
  }

  #fail(what: string): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split("\n").length;
    const column = this.#at - before.lastIndexOf("\n");
    throw new ImageError(`not JSON: line ${line}, column ${column}: ${what}`);
  }

  /** The next character that is not blank, which is not consumed; "" at the end. */
  #next(): string {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "-")) this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #expect(character: string): void {
    if (this.#next() !== character) this.#fail(`'${character}' expected`);
    this.#at++;
  }

  #value(): Json {
    const first = this.#next();
    if (first === '"') return this.#string();
    if (first === "{" || first === "[") {
      if (++this.#depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH} levels`);
      const value = first === "{" ? this.#object() : this.#array();
      this.#depth--;
      return value;
    }
    for (const [text, value] of LITERALS) {
      if (!this.#text.startsWith(text, this.#at)) continue;
      this.#at += text.length;
      return value;
    }
    return this.#number();
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (!match) this.#fail("a value expected");
    this.#at = NUMBER.lastIndex;
    const [text, fraction, exponent] = match;
    const value = Number(text);
    const isLarge = fraction === undefined && exponent === undefined && !Number.isSafeInteger(value);
    return isLarge ? BigInt(text) : value;
  }

  #string(): string {
    const start = ++this.#at;
    // Without escapes, which is how almost all strings are, it is a part of the text.
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) return this.#text.slice(start, this.#at++);
      if (code === 0x5c) return this.#escapedString(start);
      if (!(code >= 0x20)) this.#fail("the end of a string expected");
      this.#at++;
    }
  }

  #escapedString(start: number): string {
    const parts = [this.#text.slice(start, this.#at)];
    let from = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (!(code >= 0x20)) this.#fail("the end of a string expected");
      if (code !== 0x22 && code !== 0x5c) {
        this.#at++;
        continue;
      }
      parts.push(this.#text.slice(from, this.#at++));
      if (code === 0x22) return parts.join("");
      parts.push(this.#escape());
      from = this.#at;
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at++] ?? "";
    if ('"\\/'.includes(letter) && letter !== "") return letter;
    if (letter in ESCAPES) return ESCAPES[letter]!;
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (letter !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail("not an escape sequence");
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  /** Whether something stands before `close`; consumes that, or the comma before what comes next. */
  #hasNext(close: string, isFirst: boolean): boolean {
    if (this.#next() === close) {
      this.#at++;
      return false;
    }
    if (!isFirst) this.#expect(",");
    return true;
  }

  #array(): Json[] {
    this.#at++;
    const values: Json[] = [];
    while (this.#hasNext("]", values.length === 0)) values.push(this.#value());
    return values;
  }

  #object(): JsonObject {
    this.#at++;
    const result = newObject();
    for (let isFirst = true; this.#hasNext("}", isFirst); isFirst = false) {
      const key = this.#key();
      result[key] = this.#value();
    }
    return result;
  }

  /** A key and the colon after it. */
  #key(): string {
    if (this.#next() !== '"') this.#fail("a key expected");
    const key = this.#string();
    this.#expect(":");
    return key;
  }
}

/** Without a prototype, so that no key has a meaning of its own. */
function newObject(): JsonObject {
  return Object.create(null) as JsonObject;
}

/** @throws ImageError naming line and column */
export function parseJson(text: string): Json {
  return new Parser(text).whole();
}

/** The same; after each element of an array in the outermost object it says which part of the text is read. */
export function parseJsonInSteps(text: string): Generator<number, Json> {
  return new Parser(text).inSteps();
}
