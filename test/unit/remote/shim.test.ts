/** What the shim promises: its size, and that assembly and TypeScript agree. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageFile } from "../../../ts-host/assets.ts";
import { batchBlob } from "../../../ts-host/native/ffi.ts";
import { BASE_OFFSET } from "../../../ts-host/remote/arena.ts";
import { HEADER, HEADER_SIZE, OP, OP_SIZE } from "../../../ts-host/remote/batch.ts";

const folder = packageFile("shim");
const isShim = process.platform === "linux" && process.arch === "x64";

test("C and assembly are less than 1,500 lines", () => {
  const sources = readdirSync(folder).filter((name) => /\.[chS]$/.test(name));
  const lines = sources.map((name) => readFileSync(join(folder, name), "utf8").split("\n").length);
  assert.ok(lines.reduce((sum, count) => sum + count, 0) < 1500);
});

test("the blob is less than 256 bytes", { skip: isShim ? false : "not x86-64 Linux" }, () => {
  const { code, standsAt } = batchBlob();
  assert.ok(code.length < 256);
  // It stands behind a syscall instruction.
  assert.deepEqual([...code.subarray(standsAt - 2, standsAt)], [0x0f, 0x05]);
});

test("offsets in arena.h are those of TypeScript", () => {
  const text = readFileSync(join(folder, "arena.h"), "utf8");
  const defined = Object.fromEntries(
    [...text.matchAll(/^#define (\w+) (\w+)/gm)].map(([, name, value]) => [name, Number(value)]),
  );
  const named = (prefix: string, offsets: Record<string, number>) =>
    Object.entries(offsets).map(([name, value]) => [`${prefix}_${name}`, value]);
  assert.deepEqual(defined, {
    ARENA_BASE: BASE_OFFSET,
    HEADER_SIZE,
    OP_SIZE,
    ...Object.fromEntries([...named("HEADER", HEADER), ...named("OP", OP)]),
  });
});
