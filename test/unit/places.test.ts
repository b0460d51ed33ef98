/** Where the pages of a stream lie. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NumberedPack } from "../../ts-host/store/page-table.ts";
import { type Packs, Places } from "../../ts-host/store/places.ts";
import { ZERO_PAGE } from "../../ts-host/wasm/pages.ts";
import { randomNumbers } from "../support/pages.ts";

function packsOf(...numbers: [first: number, length: number][]): Packs {
  const table = numbers.map(
    ([first, length]): NumberedPack => ({
      id: new Uint8Array(16),
      first,
      length,
      digest: new Uint8Array(32),
    }),
  );
  return { table, ids: table.map((_, index) => `pack ${index}`), path: "metadata" };
}

/** Goes over all places by steps that are no longer than `most` pages; the place of each page. */
function pageByPage(places: Places, most: () => number): string[] {
  const found: string[] = [];
  while (places.count > 0) {
    const count = Math.min(places.count, most());
    for (let page = 0; page < count; page++)
      found.push(places.pack === undefined ? "zeros" : `${places.pack}, ${places.page + page}`);
    places.skip(count);
  }
  return found;
}

test("extents at random, over blocks, packs and gaps between packs", () => {
  const random = randomNumbers(1);
  const upTo = (limit: number) => 1 + Math.floor(random() * limit);
  const packs = packsOf([0, 40], [40, 25], [100, 30], [130, 1], [4_000_000_000, 90]);
  const places = new Map<number, string>([[ZERO_PAGE, "zeros"]]);
  for (const [index, { first, length }] of packs.table.entries())
    for (let page = 0; page < length; page++) places.set(first + page, `pack ${index}, ${page}`);
  const numbers = [...places.keys()];
  for (let round = 0; round < 200; round++) {
    const blocks = Array.from({ length: upTo(3) }, () => new Uint32Array(2 * upTo(8)));
    const wanted: string[] = [];
    for (const block of blocks) {
      for (let at = 0; at < block.length; at += 2) {
        const number = numbers[Math.floor(random() * numbers.length)];
        let count = 0;
        const next = () => (number === ZERO_PAGE ? number : number + count);
        for (const most = upTo(30); count < most && places.has(next()); count++)
          wanted.push(places.get(next())!);
        block.set([count, number], at);
      }
    }
    const skipped = upTo(blocks[0][0]) - 1;
    const count = upTo(wanted.length - skipped);
    const [extents, ...others] = blocks;
    const cursor = new Places(packs, { extents, at: 0, skipped }, () => others.shift()!, count);
    assert.deepEqual(
      pageByPage(cursor, () => upTo(40)),
      wanted.slice(skipped, skipped + count),
    );
  }
});

test("an extent that runs on where there is no pack", () => {
  const from = { extents: Uint32Array.of(3, 8), at: 0, skipped: 0 };
  const cursor = new Places(packsOf([0, 10], [20, 5]), from, () => from.extents, 3);
  assert.deepEqual([cursor.pack, cursor.page, cursor.count], ["pack 0", 8, 2]);
  assert.throws(() => cursor.skip(2), { name: "ImageError", message: /there is no page 10/ });
});
