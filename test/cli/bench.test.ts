/** Verb bench: all formats of one checkpoint, and what a later one takes. */
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { command, output } from "../support/in-process.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";

interface Row {
  format: string;
  bytes: number;
  encode: number;
  decode: number;
  page?: { p50: number; p99: number };
  later: number;
}

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`criu-wasm-bench-`));

test("each format has its figures, as a table, as JSON and as a picture", async (t) => {
  const folder = temporaryDirectory(t);
  const first = sampleDirectory(t, "loop-dynamic");
  const later = join(folder, "later");
  cpSync(first, later, { recursive: true });
  const pages = readFileSync(join(later, "pages-1.img"));
  pages.fill(0x5a, 0, 100);
  writeFileSync(join(later, "pages-1.img"), pages);
  const before = leftovers();
  const svg = join(folder, "formats.svg");
  const { formats, metadata } = JSON.parse(
    await output("bench", first, "--later", later, "--svg", svg, "--json"),
  );
  assert.equal(formats.pageBytes, pages.length);
  const rows = new Map((formats.rows as Row[]).map((row) => [row.format, row]));
  const [raw, none, lz4, zstd] = ["CRIU", "native, none", "native, lz4 64K", "native, zstd 64K"].map(
    (name) => rows.get(name)!,
  );
  assert.ok(
    raw.bytes > none.bytes && none.bytes > lz4.bytes && lz4.bytes > zstd.bytes,
    JSON.stringify(formats),
  );
  // One page has changed.
  assert.ok(lz4.later < lz4.bytes / 2 && raw.later === raw.bytes, JSON.stringify(formats));
  for (const { format, encode, decode, page } of rows.values()) {
    assert.ok(encode > 0 && decode > 0, format);
    assert.equal(page !== undefined, format !== "tar + zstd", format);
    if (page) assert.ok(page.p50 > 0 && page.p99 >= page.p50, format);
  }
  assert.ok(metadata.messages > 10);
  assert.deepEqual(
    metadata.rows.map(({ encoding }: { encoding: string }) => encoding),
    ["protobuf", "FlatBuffers"],
  );
  const picture = readFileSync(svg, "utf8");
  assert.match(picture, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  for (const format of rows.keys()) assert.ok(picture.includes(`>${format}</text>`), format);
  assert.match(await output("bench", first), /^native, lz4 64K +\d.*µs +\d.*µs$/m);
  assert.deepEqual(leftovers(), before);
});

test("what is no checkpoint is refused, and nothing is left behind", async (t) => {
  const before = leftovers();
  const { status, stderr } = await command("bench", temporaryDirectory(t));
  assert.equal(status, 1);
  assert.match(stderr, /the directory is empty: no checkpoint/);
  assert.deepEqual(leftovers(), before);
});
