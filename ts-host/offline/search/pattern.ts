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
/** How far apart an expression is tried where it cannot be tried everywhere. */
const STEP = 128 << 10;

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

  /**
   * Tries the expression only near to what each hit must have: to look for bytes is much faster, and so is to make
   * text of few bytes.
   */
  *find(haystack: Haystack, from: number, length: number): Generator<Hit> {
    const step = this.#required.length === 0 ? length : STEP;
    for (let at = from; at < length; ) {
      const begin = this.#nextBegin(haystack, at, length);
      if (begin === undefined) return;
      const stop = Math.min(length, begin + step);
      at = stop;
      if (!this.#mayMatch(haystack, begin, Math.min(length, stop + this.longest))) continue;
      for (const hit of this.#hitsIn(haystack, begin, stop, length)) {
        yield hit;
        at = Math.max(stop, hit.start + hit.length);
      }
    }
  }

  /** Where the next hit can begin, from `from` on; undefined: nowhere. */
  #nextBegin(haystack: Haystack, from: number, length: number): number | undefined {
    if (this.#required.length === 0) return from;
    const { ignoreCase } = this.#expression;
    const places = this.#required[0].map((text) => haystack.next(text, from, length, ignoreCase));
    const next = Math.min(...places.filter((place) => place >= 0));
    return next === Number.POSITIVE_INFINITY ? undefined : Math.max(from, next - this.longest);
  }

  #mayMatch(haystack: Haystack, from: number, length: number): boolean {
    const { ignoreCase } = this.#expression;
    return this.#required.every((texts) =>
      texts.some((text) => haystack.next(text, from, length, ignoreCase) >= 0),
    );
  }

  /** Hits that begin from `begin` on, before `stop`. What is before them may be looked at. */
  *#hitsIn(haystack: Haystack, begin: number, stop: number, length: number): Generator<Hit> {
    const start = Math.max(0, begin - this.longest);
    const bytes = haystack.bytes(length).subarray(start, stop + this.longest);
    const text = latin1(bytes);
    const expression = this.#expression;
    for (let at = begin; at < stop; ) {
      // Another search may have used the expression meanwhile.
      expression.lastIndex = at - start;
      const match = expression.exec(text);
      if (match === null || start + match.index >= stop) return;
      const hit = { start: start + match.index, length: match[0].length };
      if (hit.length > 0) yield hit;
      at = hit.start + Math.max(1, hit.length);
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
