/** A short run of `npm run fuzz`, always the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fuzzCheckpoints } from "./checkpoints.ts";
import { fuzz } from "./fuzz.ts";
import { targets } from "./targets.ts";

const directory = mkdtempSync(join(tmpdir(), "fuzz-"));
after(() => rmSync(directory, { recursive: true, force: true }));

for (const target of targets(directory)) {
  test(`no input breaks the decoder of ${target.name}`, () => {
    for (const seed of target.seeds) target.run(seed.slice());
    const { findings, ways } = fuzz(target, Math.max(300, 4000 / target.cost), 1);
    for (const { input, error } of findings) {
      assert.fail(
        `${Buffer.from(input).toString("base64")}\n${error instanceof Error ? error.stack : error}`,
      );
    }
    assert.ok(ways > 1, "all inputs go the same way: the target is not what it should be");
  });
}

test("no changed checkpoint breaks validate, show or core", () => {
  const { findings, ways } = fuzzCheckpoints(1500, 1);
  for (const { target, input, error } of findings) {
    assert.fail(`${target}\n${Buffer.from(input).toString("base64")}\n${(error as Error).stack}`);
  }
  assert.ok(ways > 100, `${ways} ways`);
});
