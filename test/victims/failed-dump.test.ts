/** A dump that fails when the process is frozen leaves it running as if nothing had been. */
import { describe, test } from "node:test";
import { failedDump } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

describe("dump that fails", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (entry.area === "hostile" || entry.refusedAs) continue;
    test(entry.name, (t) => failedDump(t, entry));
  }
});
