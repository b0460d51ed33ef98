/** A dump that fails when the process is frozen leaves it running as if nothing had been. */
import { describe, test } from "node:test";
import { failedDump } from "../support/victim.ts";
import { type Area, victims } from "./catalogue.ts";

const AREAS: readonly Area[] = ["threads", "signals", "waiting", "timers", "attributes"];

describe("dump that fails", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (!AREAS.includes(entry.area) || entry.refusedAs) continue;
    test(entry.name, (t) => failedDump(t, entry));
  }
});
