/**
 * The host is killed (SIGKILL) while it has a process frozen: the process runs on as if nothing had been, also
 * when that happens in the middle of a batch. This file is both the test and, started with arguments, the host.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Batch } from "../../ts-host/remote/batch.ts";
import { FrozenProcess } from "../../ts-host/remote/frozen.ts";
import { expectUndisturbed, startVictim, taskState, waitFor } from "../support/victim.ts";
import { type VictimEntry, victims } from "../victims/catalogue.ts";

type Moment = "when it is frozen" | "between batches" | "in batches";

/** Kills of the host, each by another host, that one victim has to outlive. */
const HOSTS = 2;

function someCalls(): Batch {
  const batch = new Batch();
  const room = batch.room(4096);
  for (let call = 0; call < 40; call++) batch.call("getrandom", [room, 4096, 0]);
  return batch;
}

/** Freezes the process and stays at that moment until it is killed. */
function beHost(pid: number, moment: Moment): void {
  const frozen = FrozenProcess.freeze(pid, { timeoutUs: 10_000_000 });
  const tids = [...frozen.threads.keys()];
  if (moment !== "when it is frozen") for (const tid of tids) frozen.remote(tid).run(someCalls());
  writeSync(1, "there\n");
  while (moment === "in batches") for (const tid of tids) frozen.remote(tid).run(someCalls());
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

async function killHost(pid: number, moment: Moment): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  const host = spawn(process.execPath, [self, `${pid}`, moment], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = (await Promise.race([once(host.stdout, "data"), once(host, "exit")])) as unknown[];
  assert.equal(`${said}`, "there\n");
  await sleep(Math.random() * 20);
  host.kill("SIGKILL");
  await once(host, "exit");
}

/** The blocked signals of each thread. */
function masks(pid: number): string {
  const statuses = readdirSync(`/proc/${pid}/task`).map((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1"),
  );
  return statuses.map((status) => /^SigBlk:\t(.*)$/m.exec(status)![1]).join();
}

async function outliveHosts(t: TestContext, entry: VictimEntry, moment: Moment): Promise<void> {
  const victim = await startVictim(t, entry);
  if (!victim) return;
  const before = masks(victim.pid);
  for (let host = 0; host < HOSTS; host++) await killHost(victim.pid, moment);
  // A batch that was under way is made to its end first; by a stopped process, when it goes on.
  await waitFor(
    () => `blocked signals are ${masks(victim.pid)}, not ${before}`,
    () => masks(victim.pid) === before || taskState(victim.pid) === "T",
  );
  await expectUndisturbed(victim);
}

const TARGETS = [
  "wait-pause",
  "wait-nanosleep",
  "wait-poll",
  "wait-futex-timed",
  "wait-ppoll",
  "in-handler",
  "registers",
  "threads-futex",
  "rseq-section",
  "sigtrap-ignored",
  "sigtrap-handled",
  "sigtrap-blocked",
  "sigtrap-pending",
  "all-signals-blocked",
  "stopped",
  "signal-storm",
];
/** What a host that dies in the middle of a batch leaves behind: see shim/README.md. */
const ONLY_BETWEEN = [
  "seccomp-strict",
  "seccomp-filters",
  "seccomp-kill",
  "syscall-dispatch",
  "signals-counted",
];

const [pid, moment] = process.argv.slice(2);
if (pid !== undefined) {
  beHost(Number(pid), moment as Moment);
} else {
  for (const when of ["when it is frozen", "between batches", "in batches"] as const) {
    describe(`the host is killed ${when}`, { concurrency: 2 }, () => {
      const names = when === "in batches" ? TARGETS : [...TARGETS, ...ONLY_BETWEEN];
      for (const entry of victims) {
        if (!names.includes(entry.name)) continue;
        test(entry.name, (t) => outliveHosts(t, entry, when));
      }
    });
  }
}
