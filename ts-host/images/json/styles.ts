/** How fields are printed, as the core takes it; asm-core/assembly/transcode/json.ts says what the table holds. */
import { ENUMS } from "../../generated/messages.ts";
import { BinaryWriter } from "../binary.ts";
import { allFields, type FieldSchema } from "../schema.ts";
import { FLAGS, NAMES } from "./names.ts";

const STYLES: Record<string, number> = {
  hex: 1,
  dev: 2,
  odev: 3,
  flags: 4,
  dict: 5,
  enum: 6,
  ip: 7,
  unix_name: 8,
};
const DESCRIPTION = 16;
const DICTIONARY_ENTRY = 16;
/** The core reads texts 16 bytes at a time. */
const SLACK = 16;

type Dictionary = readonly (readonly [name: string, value: bigint])[];

/** Style and dictionary of a field. */
function styleOf({ name, show, enumeration }: FieldSchema): { style: number; dictionary?: Dictionary } {
  const named = (words: readonly (readonly [string, number])[]): Dictionary =>
    words.map(([word, value]) => [word, BigInt(value)]);
  if (enumeration !== undefined)
    return { style: STYLES.enum, dictionary: named(Object.entries(ENUMS[enumeration]!)) };
  const [hint, which] = show?.split(" ") ?? [];
  if (hint === "flags") return { style: STYLES.flags, dictionary: FLAGS[which]! };
  if (hint === "dict") {
    const words = Object.entries(NAMES[which]![name]!).map(([value, word]) => [word, Number(value)] as const);
    return { style: STYLES.dict, dictionary: named(words) };
  }
  return { style: hint === undefined ? 0 : STYLES[hint]! };
}

/** Texts one after the other, each once. */
class Texts {
  readonly #places = new Map<string, number>();
  #length = 0;

  placeOf(text: string): number {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.#length;
      this.#places.set(text, place);
      this.#length += text.length;
    }
    return place;
  }

  get bytes(): Uint8Array {
    return new TextEncoder().encode([...this.#places.keys()].join(""));
  }
}

export function styleTable(): Uint8Array {
  const described = allFields().map((field) => ({ key: `"${field.name}": `, ...styleOf(field) }));
  const sizeOf = (dictionary: Dictionary) => 4 + dictionary.length * DICTIONARY_ENTRY;
  const entries = described.flatMap(({ dictionary }) => (dictionary ? [sizeOf(dictionary)] : []));
  const textStart = described.length * DESCRIPTION + entries.reduce((sum, size) => sum + size, 0);
  const texts = new Texts();
  const fixed = new BinaryWriter();
  const putReference = (text: string) => fixed.u32(textStart + texts.placeOf(text)).u32(text.length);
  let next = described.length * DESCRIPTION;
  for (const { key, style, dictionary } of described) {
    putReference(key);
    fixed.u32(style).u32(dictionary === undefined ? 0 : next);
    next += dictionary === undefined ? 0 : sizeOf(dictionary);
  }
  for (const { dictionary } of described) {
    if (dictionary === undefined) continue;
    fixed.u32(dictionary.length);
    for (const [name, value] of dictionary) {
      fixed.u64(BigInt.asUintN(64, value));
      putReference(name);
    }
  }
  return fixed.bytes(texts.bytes).bytes(new Uint8Array(SLACK)).result().slice();
}
