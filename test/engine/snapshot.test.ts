/** dump --leave-running: what is in the images is one moment of a task that goes on writing while it is dumped. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mustRun, startVictim } from "../support/victim.ts";
import { victims } from "../victims/catalogue.ts";

const ROUNDS = 3;

for (const format of ["native", "criu"] as const) {
  test(`a task that writes all the time is dumped as of one moment; ${format}`, async (t) => {
    const victim = await startVictim(t, victims.find(({ name }) => name === "rounds")!);
    if (!victim) return;
    for (let round = 0; round < ROUNDS; round++) {
      const images = join(victim.dir, `images.${round}`);
      await mustRun(["dump", "-t", `${victim.pid}`, "-D", images, "-R", "--format", format], victim.dir);
      const children: string = readFileSync(`/proc/${victim.pid}/task/${victim.pid}/children`, "utf8");
      assert.equal(children, "", "no trace of the snapshot is left");
    }
    victim.kill();
    await victim.waitGone();
    await mustRun(["restore", "-d", "-D", join(victim.dir, `images.${ROUNDS - 1}`)], victim.dir);
    victim.go();
    await victim.expectPass();
  });
}
