/** Processes that are stopped for job control before they are dumped, while they are, or by that. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { runCli, startVictim, taskState, type Victim, waitFor } from "../support/victim.ts";
import { type VictimEntry, victims } from "./catalogue.ts";

const threads = victims.find(({ name }) => name === "threads-tls")!;
const pausing = victims.find(({ name }) => name === "wait-pause")!;
const stopped = victims.find(({ name }) => name === "stopped")!;

async function run(victim: Victim, verb: "dump" | "restore", ...options: string[]): Promise<void> {
  const args = [verb, "-D", join(victim.dir, "images"), ...options];
  if (verb === "dump") args.push("-t", String(victim.pid));
  const { status, stderr } = await runCli(args, { cwd: victim.dir });
  assert.equal(status, 0, stderr);
}

/** Every thread of it stands still; a restored one stops a moment after restore returns. */
async function expectStopped({ pid, entry }: Victim): Promise<void> {
  await waitFor(
    () => `${entry.name} is in state ${taskState(pid)}, not stopped`,
    () => taskState(pid) === "T",
  );
}

async function stop(victim: Victim): Promise<void> {
  process.kill(victim.pid, "SIGSTOP");
  await expectStopped(victim);
}

async function goOn(victim: Victim): Promise<void> {
  await expectStopped(victim);
  victim.go();
  if (victim.entry !== stopped) process.kill(victim.pid, "SIGCONT");
  await victim.expectPass();
}

function stoppingTest(name: string, entry: VictimEntry, body: (victim: Victim) => Promise<void>): void {
  test(name, async (t: TestContext) => {
    const victim = await startVictim(t, entry);
    if (victim) await body(victim);
  });
}

describe("stopping", { concurrency: 2 }, () => {
  stoppingTest(
    "a stopped process stays stopped after a dump that leaves it running",
    threads,
    async (victim) => {
      await stop(victim);
      await run(victim, "dump", "-R");
      await goOn(victim);
    },
  );

  stoppingTest("a stopped process stays stopped after a restore", threads, async (victim) => {
    await stop(victim);
    await run(victim, "dump");
    await victim.waitGone();
    await run(victim, "restore", "-d");
    await goOn(victim);
  });

  stoppingTest(
    "a signal that a stopped process got ends its call after a restore",
    pausing,
    async (victim) => {
      await stop(victim);
      process.kill(victim.pid, "SIGTERM");
      await run(victim, "dump");
      await victim.waitGone();
      await run(victim, "restore", "-d");
      await goOn(victim);
    },
  );

  stoppingTest("dump --leave-stopped", threads, async (victim) => {
    await run(victim, "dump", "--leave-stopped");
    await goOn(victim);
  });

  stoppingTest("dump --leave-stopped of a stopped process", stopped, async (victim) => {
    await run(victim, "dump", "--leave-stopped");
    await goOn(victim);
  });

  stoppingTest("restore --leave-stopped", threads, async (victim) => {
    await run(victim, "dump");
    await victim.waitGone();
    await run(victim, "restore", "-d", "--leave-stopped");
    await goOn(victim);
  });

  stoppingTest(
    "a restored process that was stopped, and is left stopped, goes on with one SIGCONT",
    stopped,
    async (victim) => {
      await run(victim, "dump");
      await victim.waitGone();
      await run(victim, "restore", "-d", "--leave-stopped");
      await goOn(victim);
    },
  );
});
