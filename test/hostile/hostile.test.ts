/**
 * Targets that make it hard: whatever they do while they are frozen, dumped and let go, they run on as if
 * nothing had been.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { expectUndisturbed, runCli, startVictim } from "../support/victim.ts";
import { type VictimEntry, victims } from "../victims/catalogue.ts";

const ROUNDS = 5;

/** Victims of which a dump may say that they are not what can be dumped at that moment. */
const MAY_BE_REFUSED: Record<string, RegExp> = {
  "churn-children": /child/,
};

/** Dumps it over and over; each dump is complete, or says why not and leaves nothing. */
async function dumpOverAndOver(t: TestContext, entry: VictimEntry): Promise<void> {
  const victim = await startVictim(t, entry);
  if (!victim) return;
  for (let round = 0; round < ROUNDS; round++) {
    const images = join(victim.dir, `images.${round}`);
    mkdirSync(images);
    const result = await runCli(["dump", "-j", "-R", "-t", `${victim.pid}`, "-D", images], {
      cwd: victim.dir,
    });
    if (result.status === 0) {
      assert.ok(readdirSync(images).length > 0);
      continue;
    }
    const expected = entry.endsBySelf ? /gone|ended|exited|no process/ : MAY_BE_REFUSED[entry.name];
    assert.match(result.stderr, expected ?? /no reason to fail/);
    assert.deepEqual(readdirSync(images), []);
  }
  await expectUndisturbed(victim);
}

describe("dumped over and over", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (entry.area !== "hostile") continue;
    test(entry.name, (t) => dumpOverAndOver(t, entry));
  }
});
