/** How fields are printed, as the core takes it; asm-core/assembly/transcode/fields.ts says what the table holds. */
import { ENUMS } from "../../generated/messages.ts";
import { FIELD_ENUMS, FIELDS, SHOW } from "../../generated/schema-table.ts";
import { BinaryWriter } from "../binary.ts";
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
const HEADER = 12;
const STYLED_FIELD = 12;
const DICTIONARY_ENTRY = 16;
/** The core reads texts 16 bytes at a time. */
const SLACK = 16;

type Word = readonly [name: string, value: number | bigint];

interface Style {
  style: number;
  dictionary?: readonly Word[];
}

/** The style of a field, by the attribute `show` of the schema. */
function shown(field: string, show: string): Style {
  const [hint, which] = show.split(" ");
  const style = STYLES[hint]!;
  if (hint === "flags") return { style, dictionary: FLAGS[which]! };
  if (hint !== "dict") return { style };
  const words = Object.entries(NAMES[which]![field]!);
  return { style, dictionary: words.map(([value, word]) => [word, Number(value)]) };
}

/** The fields that have a style, by their index in the schema's table. */
function styledFields(): Map<number, Style> {
  const styles = new Map<number, Style>();
  for (const [index, show] of Object.entries(SHOW))
    styles.set(Number(index), shown(FIELDS[Number(index)]!, show));
  for (const [index, name] of Object.entries(FIELD_ENUMS))
    styles.set(Number(index), { style: STYLES.enum!, dictionary: Object.entries(ENUMS[name]!) });
  return styles;
}

/** Writes a dictionary, and its names behind it; `base`: where the writer begins in the table. */
function putDictionary(writer: BinaryWriter, dictionary: readonly Word[], base: number): void {
  let place = base + writer.length + 4 + DICTIONARY_ENTRY * dictionary.length;
  writer.u32(dictionary.length);
  for (const [name, value] of dictionary) {
    writer
      .u64(BigInt.asUintN(64, BigInt(value)))
      .u32(place)
      .u32(name.length);
    place += name.length;
  }
  writer.bytes(new TextEncoder().encode(dictionary.map(([name]) => name).join("")));
}

export function styleTable(): Uint8Array {
  const styled = styledFields();
  const base = HEADER + STYLED_FIELD * styled.size;
  const fields = new BinaryWriter();
  const dictionaries = new BinaryWriter();
  for (const [index, { style, dictionary }] of styled) {
    fields
      .u32(index)
      .u32(style)
      .u32(dictionary === undefined ? 0 : base + dictionaries.length);
    if (dictionary !== undefined) putDictionary(dictionaries, dictionary, base);
  }
  const names = new TextEncoder().encode(`${FIELDS.join(" ")} unknown `);
  return new BinaryWriter()
    .u32(base + dictionaries.length)
    .u32(names.length)
    .u32(styled.size)
    .bytes(fields.result())
    .bytes(dictionaries.result())
    .bytes(names)
    .bytes(new Uint8Array(SLACK))
    .result();
}
