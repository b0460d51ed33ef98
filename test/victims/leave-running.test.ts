/** Every victim that is not there to be refused passes after a dump that leaves it running. */
import { describe, test } from "node:test";
import { leaveRunning } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

describe("dumped and left running", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (entry.area === "hostile" || entry.refusedAs) continue;
    // The name that --link-remap adds stays until a restore uses it up, and the task can see it.
    if (entry.dumpArgs?.includes("--link-remap")) continue;
    test(entry.name, (t) => leaveRunning(t, entry));
  }
});
