import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type PageSink, type PageSource, readPages } from "../../ts-host/images/checkpoint.ts";
import { InputFile } from "../../ts-host/images/files.ts";
import { decodeRegion, type Trailer } from "../../ts-host/store/pack-format.ts";
import { type PackOptions, PackWriter } from "../../ts-host/store/pack-writer.ts";
import { PageReader } from "../../ts-host/store/page-reader.ts";
import { decodePageTable, encodePageTable, type PageTable } from "../../ts-host/store/page-table.ts";
import { PageUnpacker, REGION_ENTRY } from "../../ts-host/wasm/pages.ts";
import { assertSameBytes, mixedPages, randomBytes, randomNumbers } from "../support/pages.ts";
import { Random } from "../support/random.ts";

const ID = new Uint8Array(16).fill(7);

function packPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "page-pack-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "pack");
}

function append(sink: PageSink, content: Uint8Array): void {
  sink.append(content.length / 4096, (view, offset) =>
    view.set(content.subarray(offset, offset + view.length)),
  );
}

function contentOf(source: PageSource, first = 0, count = source.length - first): Uint8Array {
  const content = new Uint8Array(count * 4096);
  let next = 0;
  source.read(first, count, (view, offset) => {
    assert.equal(offset, next, "pages come in order");
    content.set(view, offset);
    next += view.length;
  });
  assert.equal(next, content.length);
  return content;
}

function openPack(path: string, table: PageTable): PageReader {
  return new PageReader(table, () => new InputFile(path));
}

const VARIANTS: PackOptions[] = [
  { compress: "lz4", regionPages: 16, threads: 1 },
  { compress: "none", regionPages: 16, threads: 1 },
  { compress: "lz4", regionPages: 1, threads: 1 },
  { compress: "lz4", regionPages: 64, threads: 3 },
  { compress: "none", regionPages: 7, threads: 2 },
  { compress: "zstd", regionPages: 16, threads: 1 },
  { compress: "zstd", regionPages: 64, threads: 3 },
];
const LZ4: PackOptions = VARIANTS[0];
const AS_IT_IS: PackOptions = VARIANTS[1];

for (const options of VARIANTS) {
  test(`streams come back whole and in parts: ${options.compress}, regions of ${options.regionPages}`, (t) => {
    const path = packPath(t);
    const random = randomNumbers(5);
    const writer = new PackWriter(path, ID, options);
    const contents = [mixedPages(700, random), mixedPages(40, random), new Uint8Array(0)];
    contents.push(contents[0].slice(4096 * 100, 4096 * 400));
    const sinks = contents.map((_, index) => writer.stream(index + 1));
    // Interleaved, in pieces of every size.
    const done = contents.map(() => 0);
    while (contents.some((content, index) => done[index] < content.length)) {
      const index = Math.floor(random() * contents.length);
      const size = 4096 * Math.floor(1 + random() * 300);
      append(sinks[index], contents[index].subarray(done[index], done[index] + size));
      done[index] += size;
    }
    const written = writer.finish();
    const table = decodePageTable(encodePageTable(written), "table", 0);
    assert.deepEqual(table, written);
    const reader = openPack(path, table);
    contents.forEach((content, index) => {
      const source = reader.stream(table.streams[index]);
      assert.equal(source.length, content.length / 4096);
      assertSameBytes(contentOf(source), content);
      for (let round = 0; round < 100 && source.length > 0; round++) {
        const first = Math.floor(random() * source.length);
        const count = Math.floor(random() * Math.min(60, source.length - first + 1));
        assert.deepEqual(
          contentOf(source, first, count),
          content.subarray(first * 4096, (first + count) * 4096),
        );
      }
      const { core } = reader;
      for (const into of [
        new Uint8Array(content.length),
        core.view(core.allocate(content.length), content.length),
      ]) {
        readPages(source, 0, into);
        assertSameBytes(into, content);
      }
      assert.throws(() => contentOf(source, 1, source.length), /are not in page stream/);
    });
    reader.close();
  });
}

test("a frame that several streams have pages of is read once", (t) => {
  const path = packPath(t);
  const random = randomNumbers(9);
  const memory = mixedPages(500, random);
  const writer = new PackWriter(path, ID, LZ4);
  const asked: number[] = [];
  const contents = Array.from({ length: 3 }, (_, index) => {
    // The frames of a task, some of which it shares with the others, and pages of nobody else's between them.
    const frames = Array.from({ length: 400 }, () => Math.floor(random() * 500));
    const sink = writer.stream(index + 1);
    append(sink, memory.subarray(0, 5 * 4096));
    sink.appendFrames!(BigUint64Array.from(frames, BigInt), (view, offset) => {
      for (let at = 0; at < view.length; at += 4096) {
        const frame = frames[(offset + at) / 4096];
        if (index > 0) asked.push(frame);
        view.set(memory.subarray(frame * 4096, (frame + 1) * 4096), at);
      }
    });
    return {
      frames,
      content: Buffer.concat(
        [...[0, 1, 2, 3, 4], ...frames].map((frame) => memory.subarray(frame * 4096, (frame + 1) * 4096)),
      ),
    };
  });
  const first = new Set(contents[0].frames);
  assert.ok(asked.length > 50 && asked.every((frame) => !first.has(frame)));
  const table = writer.finish();
  const reader = openPack(path, table);
  for (const [index, { content }] of contents.entries())
    assertSameBytes(contentOf(reader.stream(table.streams[index])), content);
  reader.close();
});

test("pages that lie scattered are handed out together", (t) => {
  const path = packPath(t);
  const writer = new PackWriter(path, ID, LZ4);
  // New, zero, and known ones in turn.
  const content = randomBytes(1024 * 4096, randomNumbers(8));
  for (let page = 0; page < 1024; page += 4) {
    content.fill(0, (page + 1) * 4096, (page + 2) * 4096);
    content.copyWithin((page + 3) * 4096, 4096 * (page % 64), 4096 * ((page % 64) + 1));
  }
  append(writer.stream(1), content);
  const table = writer.finish();
  const reader = openPack(path, table);
  const source = reader.stream(table.streams[0]);
  let calls = 0;
  source.read(0, 1024, () => void calls++);
  assert.ok(calls <= 8, `${calls} calls`);
  assertSameBytes(contentOf(source), content);
  reader.close();
});

test("zero pages and pages that are there already cost nothing but an entry", (t) => {
  const path = packPath(t);
  const writer = new PackWriter(path, ID, AS_IT_IS);
  const content = randomBytes(64 * 4096, randomNumbers(6));
  append(writer.stream(1), content);
  append(writer.stream(2), content);
  writer.stream(3).append(1 << 16, (view) => view.fill(0));
  const table = writer.finish();
  assert.equal(table.packs[0].length, 64);
  const overhead = statSync(path).size - content.length;
  assert.ok(overhead < 400, `${overhead} bytes besides the pages`);
  const reader = openPack(path, table);
  assertSameBytes(contentOf(reader.stream(table.streams[1])), content);
  assert.ok(contentOf(reader.stream(table.streams[2]), 60000, 5000).every((byte) => byte === 0));
  reader.close();
});

test("an index of many blocks is searched rightly", (t) => {
  const path = packPath(t);
  const writer = new PackWriter(path, ID, LZ4);
  const sink = writer.stream(1);
  const count = 20000;
  // No two neighbours follow each other in the pack: an extent for each page.
  sink.append(count, (view, offset) => {
    view.fill(0);
    const words = new DataView(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 0; at < view.length; at += 4096) {
      const page = (offset + at) / 4096;
      words.setUint32(at, page % 2 ? (page % 1000) + 1 : 0, true);
    }
  });
  const table = writer.finish();
  assert.equal(table.packs[0].length, 500);
  assert.equal(table.streams[0].blocks.length, Math.ceil(count / 4096));
  const reader = openPack(path, table);
  const source = reader.stream(table.streams[0]);
  const random = randomNumbers(7);
  for (let round = 0; round < 300; round++) {
    const page = Math.floor(random() * count);
    const content = contentOf(source, page, 1);
    assert.equal(new DataView(content.buffer).getUint32(0, true), page % 2 ? (page % 1000) + 1 : 0);
  }
  reader.close();
});

test("a pack that has grown past the first size of the dedup table still knows every page", (t) => {
  const path = packPath(t);
  const writer = new PackWriter(path, ID, LZ4);
  const fill = (view: Uint8Array, offset: number) => {
    view.fill(0);
    const words = new DataView(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 0; at < view.length; at += 4096) words.setUint32(at + 2000, (offset + at) / 4096 + 1, true);
  };
  writer.stream(1).append(30000, fill);
  writer.stream(2).append(30000, fill);
  assert.equal(writer.finish().packs[0].length, 30000);
});

test("regions are read together as far as they adjoin and each is possible", () => {
  const random = new Random(81);
  const unpacker = new PageUnpacker();
  const [size, count, end] = [4 * 4096, 40, 500_000];
  for (let round = 0; round < 400; round++) {
    const rows = new DataView(new ArrayBuffer(count * REGION_ENTRY));
    const length = count * size - random.below(4) * 4096;
    const trailer = { id: ID, tableOffset: end, length: length / 4096, regionPages: 4, regionCount: count };
    let offset = random.below(100_000);
    for (let row = 0; row < count; row++) {
      const isLast = row === count - 1;
      const encoding = random.oneIn(60) ? random.below(5) : random.below(3);
      const whole = isLast ? length - row * size : size;
      const stored = encoding === 0 && !random.oneIn(60) ? whole : random.below(whole + 1);
      if (random.oneIn(60)) offset += random.below(3) - 1;
      rows.setBigUint64(row * REGION_ENTRY, BigInt(offset), true);
      rows.setUint32(row * REGION_ENTRY + 8, stored, true);
      rows.setUint32(row * REGION_ENTRY + 12, encoding, true);
      offset += stored;
    }
    const found = unpacker.adjoining({ rows: new Uint8Array(rows.buffer), size, length }, end);
    assert.equal(found, adjoiningOneByOne(rows, trailer), `round ${round}`);
  }
});

function adjoiningOneByOne(rows: DataView, trailer: Trailer): number {
  let next: number | undefined;
  for (let row = 0; row < trailer.regionCount; row++) {
    try {
      const { offset, stored } = decodeRegion(rows, 0, row, trailer, "");
      if (next !== undefined && offset !== next) return row;
      next = offset + stored;
    } catch {
      return row;
    }
  }
  return trailer.regionCount;
}
