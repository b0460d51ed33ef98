/**
 * Our images against CRIU's of the same stopped program: equal but for what differences.ts lists, each with its
 * reason.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { findCriu } from "../support/criu.ts";
import { mustRun, type Program, runProgram, startVictim, taskState, waitFor } from "../support/victim.ts";
import { type Area, type VictimEntry, victims } from "../victims/catalogue.ts";
import { canonical, type Statements } from "./canonical.ts";
import { DIFFERENCES, NOT_COMPARED } from "./differences.ts";

const found = findCriu();
const skip = "missing" in found ? found.missing : false;

function dumpCommand(pid: number, dir: string, options: readonly string[] = []): string[] {
  mkdirSync(dir);
  return ["dump", "-t", String(pid), "-D", dir, "-R", ...options];
}

function statementsOf(dir: string): Statements {
  const reader = openCheckpoint(dir);
  try {
    return canonical(reader);
  } finally {
    reader.close();
  }
}

/** `PATH: theirs, ours` of all that differs and is not listed. */
function unexplained(theirs: Statements, ours: Statements): string[] {
  return [...new Set([...theirs.keys(), ...ours.keys()])]
    .filter((path) => theirs.get(path) !== ours.get(path))
    .filter((path) => !DIFFERENCES.some(({ path: known }) => known.test(path)))
    .map(
      (path) => `${path}: CRIU ${theirs.get(path) ?? "nothing"}, criu-wasm ${ours.get(path) ?? "nothing"}`,
    );
}

async function compare(t: TestContext, entry: VictimEntry, criu: Program) {
  const victim = await startVictim(t, entry);
  if (!victim) return;
  process.kill(victim.pid, "SIGSTOP");
  await waitFor(
    () => "it does not stop",
    () => taskState(victim.pid) === "T",
  );
  const [theirs, ours] = [join(victim.dir, "theirs"), join(victim.dir, "ours")];
  const { status } = await runProgram(criu, dumpCommand(victim.pid, theirs, entry.dumpArgs), {
    cwd: victim.dir,
  });
  if (status !== 0) return t.skip("CRIU itself cannot dump it");
  await mustRun(dumpCommand(victim.pid, ours, [...(entry.dumpArgs ?? []), "--format", "criu"]), victim.dir);
  assert.deepEqual(unexplained(statementsOf(theirs), statementsOf(ours)), []);
}

const AREAS: readonly Area[] = ["memory", "threads", "signals", "waiting", "timers", "attributes", "files"];

describe("the same images as CRIU's", { skip, concurrency: 2 }, () => {
  if ("missing" in found) return;
  for (const entry of victims) {
    if (!AREAS.includes(entry.area) || entry.refusedAs) continue;
    test(entry.name, { skip: NOT_COMPARED[entry.name] ?? false }, (t) => compare(t, entry, found.program));
  }
});
