/** What is searched for: bytes, or a regular expression over bytes. */
import { bytesOfLatin1, latin1 } from "#platform";
import { UsageError } from "../../errors.ts";
import type { Haystack } from "../../wasm/haystack.ts";
import { requiredTexts } from "./required.ts";

/** Bytes of the found, from `start` on. */
export interface Hit {
  start: number;
  length: number;
}

export interface Pattern {
  /** Longest that a hit can be; a longer one is found up to this length. */
  readonly longest: number;
  /** All hits in the first `length` bytes that begin at or after `from`, in order, none overlapping another. */
  find(haystack: Haystack, from: number, length: number): Generator<Hit>;
}

const LONGEST_EXPRESSION = 64 << 10;

class Bytes implements Pattern {
  readonly longest: number;
  readonly #needle: Uint8Array;

  constructor(needle: Uint8Array) {
    if (needle.length === 0) throw new UsageError("there is nothing to search for");
    this.#needle = needle;
    this.longest = needle.length;
  }

  *find(haystack: Haystack, from: number, end: number): Generator<Hit> {
    const { length } = this.#needle;
    for (const start of haystack.find(this.#needle, from, end)) yield { start, length };
  }
}

class Expression implements Pattern {
  readonly longest = LONGEST_EXPRESSION;
  readonly #expression: RegExp;
  /** Of each of these lists, one text is in every hit. */
  readonly #required: readonly (readonly Uint8Array[])[];

  constructor(source: string, ignoreCase: boolean) {
    const inBytes = asBytes(source);
    try {
      this.#expression = new RegExp(inBytes, ignoreCase ? "gsi" : "gs");
    } catch (error) {
      throw new UsageError(`not a regular expression: ${(error as Error).message}`);
    }
    this.#required = requiredTexts(inBytes).map((texts) => texts.map(bytesOfLatin1));
  }

  /** Whether there can be a hit: to look for bytes is much faster than to try the expression. */
  #mayMatch(haystack: Haystack, from: number, length: number): boolean {
    const { ignoreCase } = this.#expression;
    return this.#required.every((texts) =>
      texts.some((text) => haystack.mayHave(text, from, length, ignoreCase)),
    );
  }

  *find(haystack: Haystack, from: number, length: number): Generator<Hit> {
    if (!this.#mayMatch(haystack, from, length)) return;
    const expression = this.#expression;
    const text = latin1(haystack.bytes(length));
    expression.lastIndex = from;
    for (;;) {
      const match = expression.exec(text);
      if (match === null) return;
      if (match[0].length === 0) expression.lastIndex++;
      else yield { start: match.index, length: match[0].length };
      // Another search may have used the expression meanwhile.
      if (match[0].length > 0) expression.lastIndex = match.index + match[0].length;
    }
  }
}

/** What is beyond ASCII as the bytes that it is in UTF-8, each as the character of that number. */
function asBytes(text: string): string {
  return latin1(new TextEncoder().encode(text));
}

/** The text in UTF-8. */
export function textPattern(text: string): Pattern {
  return new Bytes(new TextEncoder().encode(text));
}

/** The text in UTF-16, little-endian. */
export function utf16Pattern(text: string): Pattern {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) view.setUint16(index * 2, text.charCodeAt(index), true);
  return new Bytes(bytes);
}

/** Bytes in hexadecimal: "de ad be ef". */
export function hexPattern(digits: string): Pattern {
  const packed = digits.replaceAll(/\s|^0x/g, "");
  if (!/^([0-9a-f]{2})+$/i.test(packed)) throw new UsageError(`not bytes in hexadecimal: ${digits}`);
  return new Bytes(Uint8Array.from(packed.match(/../g)!, (pair) => Number.parseInt(pair, 16)));
}

/** A regular expression of JavaScript; "." is any byte, what is beyond ASCII stands for its bytes in UTF-8. */
export function expressionPattern(source: string, ignoreCase = false): Pattern {
  return new Expression(source, ignoreCase);
}
