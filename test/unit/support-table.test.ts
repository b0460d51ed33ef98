/** The table in schemas/README.md says of every kind of image what is supported. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Image {
  kind: string;
  pattern: string;
  messages: string[];
  payload?: unknown;
}

const IMAGES = JSON.parse(readFileSync("schemas/images.json", "utf8")) as Image[];

function rows(): string[][] {
  const readme = readFileSync("schemas/README.md", "utf8");
  const section = /## CRIU's format: what is supported\n(.*?)\n## /s.exec(readme)![1];
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("each kind of image has a row, with its name and its records", () => {
  const expected = IMAGES.map(({ pattern, kind, messages, payload }) => {
    const records = messages.map((name) => `\`${name}\``).join(", ") || "raw bytes";
    return [`\`${pattern}\``, kind, payload === undefined ? records : `${records} + bytes`];
  });
  assert.deepEqual(
    rows().map((cells) => cells.slice(0, 3)),
    expected,
  );
});

test("what validate is said to check is what its code looks at", () => {
  const code = ["index", "tree", "files", "memory"]
    .map((name) => readFileSync(`ts-host/offline/validate/${name}.ts`, "utf8"))
    .join("\n");
  // Mappings of old images are read with the process's own, page streams by their number.
  const indirectly = ["VMAS", "PAGES"];
  for (const [, kind, , checks] of rows()) {
    if (checks === "" || indirectly.includes(kind)) continue;
    assert.ok(code.includes(`"${kind}"`), kind);
  }
  for (const kind of code.matchAll(/kind: "([A-Z_]+)"|named\("([A-Z_]+)"\)/g)) {
    const named = kind[1] ?? kind[2];
    assert.notEqual(rows().find((cells) => cells[1] === named)![3], "", named);
  }
});
