/** Threads whose ids have more digits than their leader's, or are smaller. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import { roundTrip } from "../support/victim.ts";
import { victims } from "../victims/catalogue.ts";

const LAST_PID = "/proc/sys/kernel/ns_last_pid";

/** Has the next processes and threads get ids from there on. */
function countFrom(t: TestContext, id: number): boolean {
  try {
    writeFileSync(LAST_PID, String(id));
    return true;
  } catch (error) {
    t.skip(`the next id cannot be chosen: ${(error as Error).message}`);
    return false;
  }
}

const entry = victims.find(({ name }) => name === "threads-tls")!;

describe("ids of threads", () => {
  test("with more digits than the leader's", async (t) => {
    if (countFrom(t, 9_990)) await roundTrip(t, entry);
  });

  test("smaller than the leader's, as the ids were used up", async (t) => {
    const most = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8"));
    if (countFrom(t, most - 8)) await roundTrip(t, entry);
  });
});
