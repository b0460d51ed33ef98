/** Every victim that is not there to be refused comes back from either format and passes. */
import { describe, test } from "node:test";
import { roundTrip } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

for (const format of ["native", "criu"] as const) {
  describe(`dumped and restored, ${format}`, { concurrency: 2 }, () => {
    for (const entry of victims) {
      if (entry.area === "hostile" || entry.refusedAs) continue;
      test(entry.name, (t) => roundTrip(t, entry, { format }));
    }
  });
}
