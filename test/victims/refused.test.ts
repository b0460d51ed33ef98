/** Victims that hold what is not supported are refused by the name of that, and go on undisturbed. */
import { describe, test } from "node:test";
import { expectRefusal } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

describe("refused", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (entry.refusedAs) test(entry.name, (t) => expectRefusal(t, entry));
  }
});
