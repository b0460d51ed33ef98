/** What the restoring process is and may do: none of it is inherited, and what it cannot give back is said. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { ProcPid } from "../../ts-host/kernel/process.ts";
import {
  CannotCompile,
  CRIU_WASM,
  compileVictim,
  mustRun,
  type Program,
  roundTrip,
  runProgram,
  startVictim,
  taskState,
  type Victim,
} from "../support/victim.ts";
import { victims } from "./catalogue.ts";

const entryOf = (name: string) => victims.find((entry) => entry.name === name) ?? assert.fail(name);

describe("restored by a process whose own attributes are all changed", { concurrency: 2 }, () => {
  for (const name of ["ordinary", "thread-scheduling", "rlimits", "creds", "oom_score_adj", "signal-masks"]) {
    test(name, async (t) => {
      try {
        const restorer = await compileVictim("restorer.c");
        await roundTrip(t, entryOf(name), { restoreWith: [restorer, ...CRIU_WASM] });
      } catch (error) {
        if (!(error instanceof CannotCompile)) throw error;
        t.skip(error.message);
      }
    });
  }
});

const SETPRIV = "/usr/bin/setpriv";
const skip = existsSync(SETPRIV) ? false : `no ${SETPRIV} to drop capabilities with`;

/**
 * Dumps a victim and restores it by a program that cannot give all back: refused first, with no process left
 * behind, then with --fewer-privileges, with a warning.
 */
async function restoreWithLess(
  t: TestContext,
  name: string,
  program: Program,
  missing: RegExp,
): Promise<Victim | undefined> {
  const victim = await startVictim(t, entryOf(name));
  if (!victim) return undefined;
  const images = join(victim.dir, "images");
  await mustRun(["dump", "-t", String(victim.pid), "-D", images], victim.dir);
  await victim.waitGone();

  const restore = ["restore", "-d", "-D", images];
  const refused = await runProgram(program, restore, { cwd: victim.dir });
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, missing);
  assert.match(refused.stderr, /--fewer-privileges/);
  assert.equal(taskState(victim.pid), undefined);

  const accepted = await mustRun([...restore, "--fewer-privileges"], victim.dir, program);
  assert.match(accepted.stderr, missing);
  return victim;
}

test("a hard limit that cannot be raised is refused, or lowered with a warning", { skip }, async (t) => {
  const commands = `ulimit -n 512; exec ${SETPRIV} --bounding-set -sys_resource "$@"`;
  const program: Program = ["sh", "-c", commands, "sh", ...CRIU_WASM];
  const victim = await restoreWithLess(t, "ordinary", program, /RLIMIT_NOFILE .* 512 at most/);
  if (victim) assert.deepEqual(new ProcPid(victim.pid).limits()[7], { soft: 512n, hard: 512n });
});

test("a capability that cannot be given is refused, or left out with a warning", { skip }, async (t) => {
  const program: Program = [SETPRIV, "--bounding-set", "-sys_chroot,-sys_resource", ...CRIU_WASM];
  const victim = await restoreWithLess(t, "ordinary", program, /CAP_SYS_CHROOT/);
  if (victim) assert.equal((new ProcPid(victim.pid).status().capEff >> 18n) & 1n, 0n);
});
