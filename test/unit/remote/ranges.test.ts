/** Arithmetic of address ranges. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findHole } from "../../../ts-host/kinds/memory/holes.ts";
import { withoutHole } from "../../../ts-host/kinds/memory/pagemap.ts";
import type { Range } from "../../../ts-host/remote/memory.ts";
import { append, intersections, RangeCursor } from "../../../ts-host/remote/ranges.ts";

const range = (start: number, end: number): Range => ({ start: BigInt(start), end: BigInt(end) });

test("neighbours become one range", () => {
  const ranges: Range[] = [];
  for (const [start, end] of [
    [1n, 2n],
    [2n, 5n],
    [6n, 7n],
  ] as const)
    append(ranges, start, end);
  assert.deepEqual(ranges, [range(1, 5), range(6, 7)]);
});

test("ranges are cut to windows; one may lie in several, and several in one", () => {
  const windows = [range(0, 10), range(10, 20), range(30, 40), range(50, 60)];
  const found = [...intersections([range(2, 4), range(8, 35), range(36, 37), range(45, 50)], windows)];
  assert.deepEqual(
    found.map(({ start, end, window }) => [start, end, windows.indexOf(window as Range)]),
    [
      [2n, 4n, 0],
      [8n, 10n, 0],
      [10n, 20n, 1],
      [30n, 35n, 2],
      [36n, 37n, 2],
    ],
  );
});

test("a cursor goes through ranges in steps of any size", () => {
  const cursor = new RangeCursor([range(100, 110), range(200, 201), range(300, 320)]);
  assert.deepEqual(cursor.take(4), [range(100, 104)]);
  assert.deepEqual(cursor.take(10), [range(104, 110), range(200, 201), range(300, 303)]);
  assert.deepEqual(cursor.take(17), [range(303, 320)]);
});

test("a hole is cut out of runs of pages, whose numbers stay right", () => {
  const run = { ...range(0x1000, 0x6000), first: 10 };
  assert.deepEqual(withoutHole([run], range(0x2000, 0x4000)), [
    { ...range(0x1000, 0x2000), first: 10 },
    { ...range(0x4000, 0x6000), first: 13 },
  ]);
  assert.deepEqual(withoutHole([run], range(0x5000, 0x9000)), [{ ...range(0x1000, 0x5000), first: 10 }]);
  assert.deepEqual(withoutHole([run], range(0x6000, 0x9000)), [run]);
  assert.deepEqual(withoutHole([run], range(0x1000, 0x6000)), []);
});

test("a hole keeps a page of distance from everything", () => {
  const taken = [range(0x10000, 0x20000), range(0x23000, 0x30000), range(0x40000, 0x50000)];
  assert.equal(findHole(taken, 0x1000n), 0x21000n);
  assert.equal(findHole(taken, 0x2000n), 0x31000n);
  assert.equal(findHole([], 1n << 40n), 0x10000n);
  assert.throws(() => findHole([], 1n << 47n), /no hole/);
});
