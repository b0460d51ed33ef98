/**
 * Images cross both ways: what CRIU dumps criu-wasm restores, and what criu-wasm dumps CRIU restores. What
 * CRIU cannot take through dump and restore by itself is skipped.
 */
import { describe, type TestContext, test } from "node:test";
import { findCriu } from "../support/criu.ts";
import { CRIU_WASM, type Program, type RoundTripOptions, roundTrip } from "../support/victim.ts";
import { type Area, type VictimEntry, victims } from "../victims/catalogue.ts";

const AREAS: readonly Area[] = ["memory", "threads", "signals", "waiting", "timers", "attributes", "files"];

const found = findCriu();
const skip = "missing" in found ? found.missing : false;

/** The last error that a log speaks of. */
function lastError(log: string): string {
  return log.match(/Error.*/g)?.at(-1) ?? log.trim().split("\n").at(-1) ?? "";
}

/** Whether CRIU manages the victim alone; else the test is marked as skipped, with what it says. */
async function criuManages(t: TestContext, entry: VictimEntry, criu: Program): Promise<boolean> {
  try {
    await roundTrip(t, entry, { dumpWith: criu, restoreWith: criu });
    return true;
  } catch (error) {
    t.skip(`CRIU itself does not manage it: ${lastError((error as Error).message)}`);
    return false;
  }
}

async function cross(t: TestContext, entry: VictimEntry, criu: Program, options: RoundTripOptions) {
  try {
    await roundTrip(t, entry, options);
  } catch (error) {
    if (await criuManages(t, entry, criu)) throw error;
  }
}

for (const [what, dumpsItself] of [
  ["dumped by CRIU, restored by criu-wasm", false],
  ["dumped by criu-wasm, restored by CRIU", true],
] as const) {
  describe(what, { skip, concurrency: 2 }, () => {
    if ("missing" in found) return;
    const { program } = found;
    for (const entry of victims) {
      if (!AREAS.includes(entry.area) || entry.refusedAs) continue;
      const options: RoundTripOptions = dumpsItself
        ? { dumpWith: CRIU_WASM, format: "criu", restoreWith: program }
        : { dumpWith: program, restoreWith: CRIU_WASM };
      test(entry.name, (t) => cross(t, entry, program, options));
    }
  });
}
