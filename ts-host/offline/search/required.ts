/**
 * Texts that every match of a regular expression contains: where they do not stand, the expression need not be tried.
 * What is not understood requires nothing.
 */

/** Of each of these lists, one text is in every match. The list that tells most comes first. */
export type Required = readonly (readonly string[])[];

/** A shorter text stands in too many places to tell anything. */
const SHORTEST = 3;
/** More alternatives than this are not looked for. */
const MOST_ALTERNATIVES = 8;

/** Escapes that stand for one character. */
const CONTROLS: Record<string, string> = { t: "\t", n: "\n", v: "\v", f: "\f", r: "\r" };
const CLASSES = "dDwWsS";
const QUANTIFIER = /[*+?]\??|\{(\d+)(?:,\d*)?\}\??/y;
const ASSERTION = /\(\?<?[=!]/y;
const GROUP = /\((?:\?:|\?<[A-Za-z_]\w*>|(?!\?))/y;
const CLASS = /\[(?:[^\\\]]|\\[\s\S])*\]/y;

class NotUnderstood extends Error {}

/** What matches of one alternative contain, as far as it was read. */
class Sequence {
  readonly required: (readonly string[])[] = [];
  /** Characters that stand one behind the other, up to the last one that was read. */
  #run = "";

  add(character: string): void {
    this.#run += character;
  }

  /** What follows does not stand directly behind what was there. */
  cut(): void {
    this.demand([this.#run]);
    this.#run = "";
  }

  demand(texts: readonly string[]): void {
    if (worth(texts) > 0) this.required.push(texts);
  }

  get best(): readonly string[] {
    return this.required.reduce((best, texts) => (worth(texts) > worth(best) ? texts : best), []);
  }
}

/** How much it tells that one of the texts is in a match. */
function worth(texts: readonly string[]): number {
  if (texts.length === 0 || texts.length > MOST_ALTERNATIVES) return 0;
  const shortest = Math.min(...texts.map(({ length }) => length));
  return shortest < SHORTEST ? 0 : shortest;
}

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  whole(): Required {
    const found = this.#alternatives();
    if (this.#at < this.#source.length) throw new NotUnderstood();
    return [...found].sort((a, b) => worth(b) - worth(a));
  }

  /** Alternatives up to the end of their group: each has to require something. */
  #alternatives(): Required {
    const all = [this.#sequence()];
    while (this.#take("|")) all.push(this.#sequence());
    if (all.length === 1) return all[0].required;
    const texts = all.flatMap(({ best }) => best);
    return all.every(({ best }) => best.length > 0) && worth(texts) > 0 ? [texts] : [];
  }

  #sequence(): Sequence {
    const sequence = new Sequence();
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at])) this.#term(sequence);
    sequence.cut();
    return sequence;
  }

  #term(sequence: Sequence): void {
    const isAssertion = this.#match(ASSERTION) !== undefined;
    if (isAssertion || this.#match(GROUP) !== undefined) {
      const inside = this.#alternatives();
      if (!this.#take(")")) throw new NotUnderstood();
      sequence.cut();
      const least = this.#quantifier() ?? 1;
      if (!isAssertion && least > 0) for (const texts of inside) sequence.demand(texts);
      return;
    }
    const character = this.#character();
    const least = this.#quantifier();
    if (character === undefined || least === 0) {
      sequence.cut();
      return;
    }
    sequence.add(character);
    if (least !== undefined) sequence.cut();
  }

  /** The one character that the next atom stands for; undefined: it stands for others too, or for none. */
  #character(): string | undefined {
    if (this.#match(CLASS) !== undefined) return undefined;
    const first = this.#source[this.#at++];
    if (first === "\\") return this.#escape();
    // Groups and classes that were not read as such; and a quantifier of nothing.
    if ("()[*+?".includes(first)) throw new NotUnderstood();
    return ".^$".includes(first) ? undefined : first;
  }

  #escape(): string | undefined {
    const letter = this.#source[this.#at++];
    if (CLASSES.includes(letter) || letter === "b" || letter === "B") return undefined;
    if (letter in CONTROLS) return CONTROLS[letter];
    const code = letter === "x" ? /^[0-9a-fA-F]{2}/.exec(this.#source.slice(this.#at, this.#at + 2)) : null;
    if (code !== null) {
      this.#at += 2;
      return String.fromCharCode(Number.parseInt(code[0], 16));
    }
    // References, code points and other letters: their meaning depends on what follows.
    if (/[A-Za-z0-9]/.test(letter)) throw new NotUnderstood();
    return letter;
  }

  /** How often at least what stands before is there, where a quantifier says so. */
  #quantifier(): number | undefined {
    const found = this.#match(QUANTIFIER);
    if (found === undefined) return undefined;
    if (found[1] !== undefined) return Number(found[1]);
    return found[0][0] === "+" ? 1 : 0;
  }

  #take(character: string): boolean {
    const isNext = this.#source[this.#at] === character;
    if (isNext) this.#at++;
    return isNext;
  }

  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#source) ?? undefined;
    if (found !== undefined) this.#at = expression.lastIndex;
    return found;
  }
}

/** `source`: of a regular expression that is one, without the flags u and v. */
export function requiredTexts(source: string): Required {
  try {
    return new Reader(source).whole();
  } catch (error) {
    if (error instanceof NotUnderstood) return [];
    throw error;
  }
}
