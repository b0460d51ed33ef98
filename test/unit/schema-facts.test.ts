/** The schemas against the facts of CRIU's image format, field by field. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  DEFAULTS,
  ENUMS,
  IMAGE_KINDS,
  type ImageKind,
  type MessageName,
} from "../../ts-host/generated/messages.ts";
import { MESSAGES } from "../../ts-host/generated/schema-table.ts";
import { messageSchema } from "../../ts-host/images/schema.ts";

interface FactField {
  n: number;
  name: string;
  label: string;
  type: string;
  default?: string;
  show?: { hex?: true; ip?: true; dev?: true; odev?: true; flags?: string; dict?: string; conv?: string };
}

interface Facts {
  files: { kind: string; pattern: string; magic: string; message?: string; payload?: string }[];
  messages: Record<string, { fields: FactField[] }>;
  enums: Record<string, Record<string, number>>;
}

const facts: Facts = JSON.parse(readFileSync("test/data/criu-image-facts.json", "utf8"));

/** Messages of our own, and the field under which CRIU's messages hold them. */
const isExtension = (name: string) => name.startsWith("criu_wasm_");
const EXTENSION_FIELD = "criu_wasm";
const EXTENSION_NUMBER = 20000;

/** Where the facts are wrong: CRIU writes `stats-dump`, not `stats-dump.img`. */
const PATTERNS: Record<string, string> = { STATS: "stats-%s", IRMAP_CACHE: "irmap-cache" };

function hint(show: FactField["show"]): string | undefined {
  if (show?.hex) return "hex";
  if (show?.ip) return "ip";
  if (show?.dev) return show.odev ? "odev" : "dev";
  if (show?.flags) return `flags ${show.flags}`;
  if (show?.dict) return `dict ${show.dict}`;
  return show?.conv;
}

test("every message has the fields that CRIU's has", () => {
  assert.deepEqual(MESSAGES.filter((name) => !isExtension(name)).sort(), Object.keys(facts.messages).sort());
  for (const [name, { fields }] of Object.entries(facts.messages)) {
    const expected = fields
      .map(({ n, name, label, type, show }) => ({ n, name, label, type, show: hint(show) }))
      .sort((a, b) => a.n - b.n);
    const schema = messageSchema(name as MessageName);
    const actual = schema
      .filter((field) => field.name !== EXTENSION_FIELD)
      .map((field) => ({
        n: field.number,
        name: field.name,
        label: field.label,
        type: field.enumeration ?? field.message ?? field.type,
        show: field.show,
      }));
    assert.deepEqual(actual, expected, name);
  }
});

test("extensions stand where CRIU keeps them as unknown fields, and may all be left out", () => {
  const extended = Object.keys(facts.messages).filter((name) =>
    messageSchema(name as MessageName).some((field) => field.name === EXTENSION_FIELD),
  );
  assert.ok(extended.length > 0);
  for (const name of extended) {
    const field = messageSchema(name as MessageName).find((candidate) => candidate.name === EXTENSION_FIELD)!;
    assert.equal(field.number, EXTENSION_NUMBER, name);
    assert.equal(field.label, "optional", name);
    assert.ok(isExtension(field.message!), name);
    for (const inner of messageSchema(field.message!)) assert.notEqual(inner.label, "required", inner.name);
  }
});

test("every default is CRIU's", () => {
  const defaults = DEFAULTS as Record<string, Record<string, number | bigint | boolean>>;
  const found: string[] = [];
  for (const [name, { fields }] of Object.entries(facts.messages)) {
    for (const field of fields.filter((candidate) => candidate.default !== undefined)) {
      const named = facts.enums[field.type]?.[field.default!];
      assert.equal(
        String(defaults[name][field.name]),
        String(named ?? field.default),
        `${name}.${field.name}`,
      );
      found.push(`${name}.${field.name}`);
    }
  }
  const criuDefaults = Object.entries(defaults).filter(([name]) => !isExtension(name));
  assert.equal(criuDefaults.flatMap(([, fields]) => Object.keys(fields)).length, found.length);
});

test("every enum has CRIU's values", () => {
  assert.deepEqual(
    Object.fromEntries(Object.entries(ENUMS).sort()),
    Object.fromEntries(Object.entries(facts.enums).sort()),
  );
});

test("every kind of image has CRIU's name, magic and messages", () => {
  assert.deepEqual(Object.keys(IMAGE_KINDS).sort(), facts.files.map(({ kind }) => kind).sort());
  for (const { kind, pattern, magic, message, payload } of facts.files) {
    const format = IMAGE_KINDS[kind as ImageKind];
    assert.equal(format.pattern, PATTERNS[kind] ?? pattern, kind);
    assert.equal(format.magic, Number(magic), kind);
    assert.deepEqual(format.messages, message?.split(", then ") ?? [], kind);
    assert.equal(format.payload !== undefined, payload !== undefined, kind);
    assert.equal(format.header === "none", Number(magic) === 0, kind);
  }
});
