/** Every victim passes when nobody dumps it: otherwise its verdict after a restore would mean nothing. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { asset } from "../../ts-host/assets.ts";
import { startVictim } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

describe("undisturbed", { concurrency: 4 }, () => {
  for (const entry of victims) {
    test(entry.name, async (t) => {
      const victim = await startVictim(t, entry);
      victim?.go();
      await victim?.expectPass();
    });
  }
});

test("the catalogue names each victim once and each program at least once", () => {
  const names = victims.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  // What restores in the place of this program is no victim.
  const programs = new Set(["restorer.c", ...victims.map(({ name, source }) => source ?? `${name}.c`)]);
  const folder = join(dirname(dirname(asset("x"))), "test/victims");
  assert.deepEqual(
    [...programs].sort(),
    readdirSync(folder)
      .filter((file) => /\.[cS]$/.test(file))
      .sort(),
  );
});
