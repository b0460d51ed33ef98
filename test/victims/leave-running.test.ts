/** Every victim that is not there to be refused passes after a dump that leaves it running. */
import { describe, test } from "node:test";
import { leaveRunning } from "../support/victim.ts";
import { type Area, victims } from "./catalogue.ts";

const AREAS: readonly Area[] = ["memory", "threads", "signals", "waiting", "timers"];

describe("dumped and left running", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (!AREAS.includes(entry.area) || entry.refusedAs) continue;
    test(entry.name, (t) => leaveRunning(t, entry));
  }
});
