import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UsageError } from "../../ts-host/errors.ts";
import { hexdump } from "../../ts-host/offline/hexdump.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import {
  expressionPattern,
  hexPattern,
  type Match,
  type Pattern,
  search,
  textPattern,
  utf16Pattern,
} from "../../ts-host/offline/search/index.ts";
import { requiredTexts } from "../../ts-host/offline/search/required.ts";
import type { Selection } from "../../ts-host/offline/select.ts";
import { Haystack } from "../../ts-host/wasm/haystack.ts";
import { type HandmadeProcess, pageOf, pageWith, writeHandmade } from "../support/handmade.ts";
import { randomBytes, randomNumbers } from "../support/pages.ts";
import { temporaryDirectory } from "../support/samples.ts";
import { runCli } from "../support/victim.ts";

const HEAP = { status: 0x221 };
const READ_ONLY = { prot: 1 };

/** Two processes; texts within a page, across pages, across a gap, at the very end. */
const PROCESSES: HandmadeProcess[] = [
  {
    pid: 10,
    name: "first",
    mappings: [
      {
        start: 0x10000n,
        pages: [pageWith("needle in a page", 100), pageWith("need", 4092), pageWith("le across", 0), "zero"],
        entry: HEAP,
      },
      { start: 0x20000n, pages: [pageWith("need", 4092), "zero", pageWith("le", 0)] },
      { start: 0x40000n, pages: [pageWith("needle", 4090)], entry: READ_ONLY },
    ],
  },
  {
    pid: 11,
    parentPid: 10,
    mappings: [
      {
        start: 0x10000n,
        pages: [pageWith(Buffer.from("grüße", "utf16le"), 1), pageWith("grüße", 7), pageOf("ab")],
      },
    ],
  },
];

function handmade(t: TestContext, format?: "criu" | "native"): string {
  const directory = join(temporaryDirectory(t), "checkpoint");
  writeHandmade(directory, PROCESSES, format);
  return directory;
}

function found(directory: string, pattern: Pattern, selection?: Selection): string[] {
  const checkpoint = openDirectory(directory);
  const matches = [...search(checkpoint, pattern, selection)].filter(
    (step): step is Match => "address" in step,
  );
  checkpoint.close();
  return matches.map(({ process, address, length }) => `${process.pid} 0x${address.toString(16)} ${length}`);
}

test("text is found in pages and across them, not across gaps", (t) => {
  for (const format of ["criu", "native"] as const) {
    assert.deepEqual(found(handmade(t, format), textPattern("needle")), [
      "10 0x10064 6",
      "10 0x11ffc 6",
      "10 0x40ffa 6",
    ]);
  }
});

test("bytes, UTF-8, UTF-16, regular expressions", (t) => {
  const directory = handmade(t);
  assert.deepEqual(found(directory, hexPattern("6e 65 65 64 6c 65")).length, 3);
  assert.deepEqual(found(directory, textPattern("grüße")), ["11 0x11007 7"]);
  assert.deepEqual(found(directory, utf16Pattern("grüße")), ["11 0x10001 10"]);
  assert.deepEqual(found(directory, expressionPattern("ne+dle (in|across)")), [
    "10 0x10064 9",
    "10 0x11ffc 13",
  ]);
  assert.deepEqual(found(directory, expressionPattern("NEEDLE", true)).length, 3);
  assert.deepEqual(found(directory, expressionPattern("gr\\xc3.\\xc3\\x9fe|grüße")), ["11 0x11007 7"]);
  // Hits do not overlap, and a long one is one.
  assert.deepEqual(found(directory, expressionPattern("(ab)+")), ["11 0x12000 4096"]);
  assert.equal(found(directory, textPattern("abab")).length, 1024);
  for (const make of [
    () => textPattern(""),
    () => hexPattern("abc"),
    () => hexPattern("xy"),
    () => expressionPattern("("),
  ]) {
    assert.throws(make, UsageError);
  }
});

/** Expressions of all that there is, from few characters, so that many of them match. */
function randomExpression(random: () => number, depth = 0): string {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)];
  const atoms = [
    "a",
    "b",
    "ab",
    "aba",
    "bbab",
    "A",
    "\\x61",
    ".",
    "\\w",
    "\\.",
    "[ab]",
    "[^\\]a]",
    "[]",
    "{",
    "a{b",
    "b{,2}",
  ];
  const around = ["(", "(?:", "(?<n>", "(?=", "(?!", "(?<=", "(?<!"];
  const quantifiers = ["", "", "", "", "*", "+", "?", "*?", "+?", "{0}", "{2}", "{1,}", "{0,2}?"];
  let source = pick(["", "", "", "^", "\\b"]);
  for (let terms = 1 + Math.floor(random() * 4); terms > 0; terms--) {
    if (depth < 3 && random() < 0.25) source += `${pick(around)}${randomExpression(random, depth + 1)})`;
    else source += pick(atoms);
    source += pick(quantifiers);
  }
  if (random() < 0.2) source += `|${randomExpression(random, depth + 1)}`;
  return source + pick(["", "", "", "$", "\\1", "\\u0061"]);
}

test("expressions find what they find in JavaScript, whatever they require", () => {
  const random = randomNumbers(12);
  const haystack = new Haystack();
  let found = 0;
  let spared = 0;
  for (let round = 0; round < 4000; round++) {
    const source = randomExpression(random);
    const length = Math.floor(random() * 40);
    const text = Array.from({ length }, () => "aabbbAB.{1"[Math.floor(random() * 10)]).join("");
    const flags = round % 2 === 0 ? "gs" : "gsi";
    let expected: string[];
    try {
      expected = [...text.matchAll(new RegExp(source, flags))]
        .filter(([match]) => match !== "")
        .map((match) => `${match.index} ${match[0].length}`);
    } catch {
      continue;
    }
    haystack.bytes(length).set(Buffer.from(text));
    const hits = [...expressionPattern(source, flags === "gsi").find(haystack, 0, length)];
    assert.deepEqual(
      hits.map(({ start, length }) => `${start} ${length}`),
      expected,
      `/${source}/${flags} in ${text}`,
    );
    found += hits.length > 0 ? 1 : 0;
    spared += Math.sign(requiredTexts(source).length);
  }
  assert.ok(found > 500 && spared > 500, `${found} found, ${spared} required something`);
});

test("in much memory, expressions find what they find in JavaScript, near and far from each other", () => {
  const random = randomNumbers(13);
  const haystack = new Haystack();
  const length = 2_000_000;
  const bytes = Buffer.alloc(length, ".");
  const words = ["first", "second", "third", "FIRST", "x=12;", "third first", "first then second", "xx"];
  for (let word = 0; word < 300; word++)
    bytes.write(words[Math.floor(random() ** 2 * words.length)], Math.floor(random() * (length - 20)));
  haystack.bytes(length).set(bytes);
  for (const source of [
    "first",
    "(first|third)\\.",
    "(?<=third )first",
    "first.{1,9}second",
    "x=\\d+;",
    "third.{0,60000}?first",
    "second(?!\\.)|x+",
  ]) {
    for (const ignoreCase of [false, true]) {
      const plain = bytes.toString("latin1").matchAll(new RegExp(source, ignoreCase ? "gsi" : "gs"));
      const hits = expressionPattern(source, ignoreCase).find(haystack, 0, length);
      assert.deepEqual(
        [...hits].map(({ start, length }) => `${start} ${length}`),
        [...plain].map((match) => `${match.index} ${match[0].length}`),
        source,
      );
    }
  }
});

test("what an expression requires", () => {
  const required = {
    "no such (text|word) anywhere": [[" anywhere"], ["no such "], ["text", "word"]],
    "(first|second)[0-9]+": [["first", "second"]],
    "https?://[a-z]+\\.example": [[".example"], ["http"], ["://"]],
    "x{3}password=\\S+": [["password="]],
    "ab|.*": [],
    "(token)?=": [],
    "\\u0074oken": [],
  };
  for (const [source, texts] of Object.entries(required))
    assert.deepEqual(requiredTexts(source), texts, source);
});

test("only the selected memory is searched", (t) => {
  const directory = handmade(t);
  const needle = textPattern("needle");
  assert.deepEqual(found(directory, needle, { pids: [11] }), []);
  assert.deepEqual(found(directory, needle, { kinds: ["heap"] }), ["10 0x10064 6", "10 0x11ffc 6"]);
  assert.deepEqual(found(directory, needle, { protection: "w" }), ["10 0x10064 6", "10 0x11ffc 6"]);
  assert.throws(() => found(directory, needle, { pids: [12] }), /no process 12/);
});

test("matches at any place of much memory, as a plain search finds them", (t) => {
  const random = randomNumbers(4);
  const content = randomBytes(4096 * 700, random);
  const text = Buffer.from("somewhere");
  const places = new Set<number>([
    0,
    content.length - text.length,
    (1 << 20) - 4,
    (1 << 20) * 2 - 8,
    (1 << 20) * 2 + 1,
  ]);
  for (let count = 0; count < 50; count++) places.add(Math.floor(random() * (content.length - 16)));
  const sorted = [...places]
    .sort((a, b) => a - b)
    .filter((place, index, all) => index === 0 || place - all[index - 1] > 16);
  for (const place of sorted) content.set(text, place);
  const pages = Array.from({ length: 700 }, (_, page) => content.subarray(page * 4096, (page + 1) * 4096));
  const directory = join(temporaryDirectory(t), "much");
  writeHandmade(directory, [{ pid: 7, mappings: [{ start: 0x100000n, pages }] }]);
  const expected = sorted.map((place) => `7 0x${(0x100000 + place).toString(16)} 9`);
  assert.deepEqual(found(directory, textPattern("somewhere")), expected);
  assert.deepEqual(found(directory, expressionPattern("some(w)here")), expected);
});

test("a hexdump shows lines, stars, zeros, and says what is not there", (t) => {
  const process = openDirectory(handmade(t)).process(10);
  const lines = (address: bigint, length: bigint) => [...hexdump(process, address, length)];
  assert.deepEqual(lines(0x10060n, 0x20n), [
    "000000010060  00 00 00 00 6e 65 65 64  6c 65 20 69 6e 20 61 20  |....needle in a |",
    "000000010070  70 61 67 65 00 00 00 00  00 00 00 00 00 00 00 00  |page............|",
  ]);
  assert.deepEqual(lines(0x11ffan, 4n), [
    "000000011ffa  00 00 6e 65                                       |..ne|",
  ]);
  assert.deepEqual(lines(0x12000n, 0x3000n), [
    "000000012000  6c 65 20 61 63 72 6f 73  73 00 00 00 00 00 00 00  |le across.......|",
    "000000012010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "*",
    "000000012ff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "000000013000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "*",
    "000000013ff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "000000014000  -- nothing is mapped up to 15000 --",
  ]);
});

test("the verb search", async (t) => {
  const directory = handmade(t);
  const told = await runCli(["search", "-D", directory, "--text", "needle", "--kind", "heap"]);
  assert.deepEqual(told.stdout.split("\n"), [
    "     10  rw-p  heap       000000010064  6e 65 65 64 6c 65                                 |needle|  [heap]",
    "     10  rw-p  heap       000000011ffc  6e 65 65 64 6c 65                                 |needle|  [heap]",
    "2 matches",
    "",
  ]);
  const json = await runCli([
    "search",
    "-D",
    directory,
    "--text",
    "needle",
    "--prot",
    "r",
    "--limit",
    "1",
    "--json",
  ]);
  assert.deepEqual(JSON.parse(json.stdout), {
    pid: 10,
    address: "0x10064",
    length: 6,
    kind: "heap",
    protection: "rw-p",
    mapping: "[heap]",
    content: "6e6565646c65",
  });
  assert.equal((await runCli(["search", "-D", directory, "--text", "hay"])).status, 1);
  const unclear = await runCli(["search", "-D", directory, "--text", "a", "--hex", "00"]);
  assert.match(unclear.stderr, /say what to search for: one of --text, --utf16, --hex, --regex/);
  assert.match(
    (await runCli(["search", "-D", directory, "--text", "a", "--kind", "heep"])).stderr,
    /heep is none of anonymous, heap/,
  );
});

test("the verb mem: list, hexdump, extract", async (t) => {
  const directory = handmade(t);
  const list = await runCli(["mem", "-D", directory, "--pid", "10", "--json"]);
  const { mappings } = JSON.parse(list.stdout) as { mappings: Record<string, string>[] };
  assert.deepEqual(
    mappings.map(({ start, kind, stored, zero, outside }) => [start, kind, stored, zero, outside]),
    [
      ["0x10000", "heap", "0x3000", "0x1000", "0x0"],
      ["0x20000", "anonymous", "0x2000", "0x1000", "0x0"],
      ["0x40000", "anonymous", "0x1000", "0x0", "0x0"],
    ],
  );
  const lines = (await runCli(["mem", "list", "-D", directory, "--kind", "heap"])).stdout.split("\n");
  assert.equal(
    lines[1],
    "     10  10000-14000                rw-p  heap                12         4         0  [heap]",
  );
  const dumped = await runCli(["mem", "hexdump", "-D", directory, "--at", "heap", "--length", "4K"]);
  assert.equal(dumped.stdout.split("\n").length, 8);
  const file = join(temporaryDirectory(t), "bytes");
  const extracted = await runCli(["mem", "extract", "-D", directory, "--at", "0x20000", "-o", file]);
  assert.equal(extracted.status, 0, extracted.stderr);
  const [first, , third] = PROCESSES[0].mappings[1].pages as Uint8Array[];
  assert.deepEqual(readFileSync(file), Buffer.concat([first, new Uint8Array(4096), third]));
  const missing = await runCli([
    "mem",
    "extract",
    "-D",
    directory,
    "--at",
    "0x14000",
    "--length",
    "1",
    "-o",
    file,
  ]);
  assert.match(missing.stderr, /nothing is mapped at 0x14000/);
});
