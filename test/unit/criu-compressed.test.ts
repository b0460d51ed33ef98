import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CriuWasmError, ImageError } from "../../ts-host/errors.ts";
import type { PagemapEntry } from "../../ts-host/generated/messages.ts";
import type { CheckpointReader } from "../../ts-host/images/checkpoint.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { parseImage, writeImage } from "../../ts-host/images/framing.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { assertSameBytes, mixedPages, randomNumbers } from "../support/pages.ts";

const PAGE = 4096;

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "criu-compressed-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const PAGES = mixedPages(300, randomNumbers(30));
/** Pages of each entry; between the second and third, pages of a parent. */
const COUNTS = [1, 99, 70, 130];

function entries(): PagemapEntry[] {
  const entry = (index: number, pages: number, flags: number): PagemapEntry => ({
    vaddr: BigInt(0x10000000 * (index + 1)),
    compat_nr_pages: 0,
    flags,
    nr_pages: BigInt(pages),
    compressed_size: [],
  });
  const [a, b, c, d] = COUNTS.map((pages, index) => entry(2 * index, pages, 4));
  return [a, b, entry(3, 12, 1), c, d];
}

function writeSample(directory: string, options: object, format: "criu" | "native" = "criu"): void {
  const writer = createCheckpoint(directory, format, options);
  writer.image({ kind: "PAGEMAP", id: 7 }, [
    { message: { pages_id: 1 } },
    ...entries().map((message) => ({ message })),
  ]);
  writer
    .pages(1)
    .append(PAGES.length / PAGE, (view, offset) => view.set(PAGES.subarray(offset, offset + view.length)));
  writer.image({ kind: "INVENTORY" }, [
    { message: { img_version: 2, root_ids: undefined, tcp_close: undefined } },
  ] as never);
  writer.commit();
}

function contentOf(reader: CheckpointReader, first = 0, count = PAGES.length / PAGE): Uint8Array {
  const content = new Uint8Array(count * PAGE);
  let next = 0;
  reader.pages(1).read(first, count, (view, offset) => {
    assert.equal(offset, next);
    content.set(view, offset);
    next += view.length;
  });
  return content;
}

function rawEntries(directory: string): PagemapEntry[] {
  const bytes = readFileSync(join(directory, "pagemap-7.img"));
  return parseImage("PAGEMAP", bytes, "pagemap-7.img")
    .slice(1)
    .map(({ message }) => message as PagemapEntry);
}

const MODES: [string, object, number][] = [
  ["page by page", { compress: "lz4" }, 1],
  ["by regions of 64K", { regionPages: 16 }, 16],
  ["by regions of 4M", { compress: "lz4", regionPages: 1024 }, 1024],
];

for (const [mode, options, blockPages] of MODES) {
  test(`CRIU's images compressed ${mode} come back whole and in parts`, (t) => {
    const directory = place(t);
    writeSample(directory, options);
    const reader = openCheckpoint(directory);
    t.after(() => reader.close());
    assertSameBytes(contentOf(reader), PAGES);
    const random = randomNumbers(31);
    for (let round = 0; round < 100; round++) {
      const first = Math.floor(random() * 300);
      const count = Math.floor(random() * (300 - first));
      assertSameBytes(contentOf(reader, first, count), PAGES.subarray(first * PAGE, (first + count) * PAGE));
    }
    // Who reads the checkpoint sees entries as they are without compression.
    assert.deepEqual(
      reader
        .read({ kind: "PAGEMAP", id: 7 })
        .slice(1)
        .map(({ message }) => message),
      entries(),
    );
  });

  test(`the pagemap of images compressed ${mode} says what CRIU's would`, (t) => {
    const directory = place(t);
    writeSample(directory, options);
    const raw = rawEntries(directory);
    const size = statSync(join(directory, "pages-1.img")).size;
    let total = 0;
    for (const entry of raw) {
      if (entry.flags === 1) {
        assert.deepEqual(entry.compressed_size, []);
        continue;
      }
      assert.equal(entry.compressed_size.length, Math.ceil(Number(entry.nr_pages) / blockPages));
      assert.equal(entry.region_pages, blockPages > 1 ? blockPages : undefined);
      const sum = entry.compressed_size.reduce((all, each) => all + each, 0);
      assert.equal(Number(entry.total_compressed_size), sum);
      total += sum;
    }
    assert.equal(total, size);
    assert.ok(size < PAGES.length * 0.6);
    if (blockPages === 1) {
      const sizes = raw.flatMap(({ compressed_size }) => compressed_size);
      const zero = sizes.indexOf(0);
      assert.ok(PAGES.subarray(zero * PAGE, (zero + 1) * PAGE).every((byte) => byte === 0));
      assert.ok(sizes.includes(PAGE), "what LZ4 cannot make smaller is there as it is");
    }
  });
}

test("compressed images convert to native ones, and to plain ones, without loss", (t) => {
  const [compressed, native, plain] = ["a", "b", "c"].map((name) => join(place(t), name));
  const writer = createCheckpoint(compressed, "criu", { regionPages: 64 });
  writer.image({ kind: "PAGEMAP", id: 7 }, [
    { message: { pages_id: 1 } },
    ...entries()
      .filter(({ flags }) => flags === 4)
      .map((message) => ({ message })),
  ]);
  writer.pages(1).append(300, (view, offset) => view.set(PAGES.subarray(offset, offset + view.length)));
  writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 2 } }] as never);
  writer.commit();
  for (const [from, to, format] of [
    [compressed, native, "native"],
    [native, plain, "criu"],
  ] as const) {
    const reader = openCheckpoint(from);
    convert(reader, createCheckpoint(to, format));
    reader.close();
  }
  assertSameBytes(readFileSync(join(plain, "pages-1.img")), PAGES);
  assert.ok(rawEntries(plain).every(({ compressed_size }) => compressed_size.length === 0));
});

test("entries with and without compression may stand in one pagemap", (t) => {
  const directory = place(t);
  writeSample(directory, { compress: "lz4" });
  const raw = rawEntries(directory);
  const file = readFileSync(join(directory, "pages-1.img"));
  // The last entry as it is without compression.
  const last = raw.at(-1)!;
  const kept = file.subarray(0, file.length - Number(last.total_compressed_size));
  writeFileSync(join(directory, "pages-1.img"), Buffer.concat([kept, PAGES.subarray(170 * PAGE)]));
  const plain = { ...last, compressed_size: [], total_compressed_size: undefined };
  const records = [
    { message: { pages_id: 1 } },
    ...[...raw.slice(0, -1), plain].map((message) => ({ message })),
  ];
  writeFileSync(join(directory, "pagemap-7.img"), writeImage("PAGEMAP", records, "pagemap-7.img"));
  const reader = openCheckpoint(directory);
  assertSameBytes(contentOf(reader), PAGES);
  reader.close();
});

test("compressed images that do not fit together are refused, whatever is wrong with them", (t) => {
  const directory = place(t);
  writeSample(directory, { regionPages: 16 });
  const raw = rawEntries(directory);
  const put = (changed: Partial<PagemapEntry>) => {
    const all = raw.map((entry, index) => (index === 1 ? { ...entry, ...changed } : entry));
    const records = [{ message: { pages_id: 1 } }, ...all.map((message) => ({ message }))];
    writeFileSync(join(directory, "pagemap-7.img"), writeImage("PAGEMAP", records, "pagemap-7.img"));
  };
  const sizes = raw[1].compressed_size;
  const wrong: Partial<PagemapEntry>[] = [
    { compressed_size: sizes.slice(1) },
    { compressed_size: [...sizes, 0] },
    { compressed_size: [70000, ...sizes.slice(1)] },
    { compressed_size: [2 ** 32 - 1, ...sizes.slice(1)] },
    { compressed_size: [sizes[0] + 1, ...sizes.slice(1)], total_compressed_size: undefined },
    { total_compressed_size: 1n },
    { region_pages: 2 ** 32 - 1 },
    { region_pages: 1025 },
    { region_pages: 1 },
    { nr_pages: 2n ** 40n },
    { nr_pages: 2n ** 63n, compressed_size: [], total_compressed_size: undefined },
  ];
  for (const changed of wrong) {
    put(changed);
    const reader = openCheckpoint(directory);
    assert.throws(() => contentOf(reader), ImageError, JSON.stringify(Object.keys(changed)));
    reader.close();
  }
  put({});
  const pages = readFileSync(join(directory, "pages-1.img"));
  const random = randomNumbers(32);
  for (let round = 0; round < 200; round++) {
    const bad = Buffer.from(pages);
    for (let change = 0; change < 3; change++) bad[Math.floor(random() * bad.length)] = random() * 256;
    writeFileSync(join(directory, "pages-1.img"), bad);
    const reader = openCheckpoint(directory);
    try {
      contentOf(reader);
    } catch (error) {
      assert.ok(error instanceof CriuWasmError);
      assert.match(error.message, /pages \d+ to \d+: malformed LZ4 block/);
    }
    reader.close();
  }
  assert.deepEqual(readdirSync(directory).sort(), ["inventory.img", "pagemap-7.img", "pages-1.img"]);
});
