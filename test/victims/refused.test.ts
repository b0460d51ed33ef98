/** Victims that hold what is not supported are refused by the name of that, and go on undisturbed. */
import { describe, test } from "node:test";
import { expectRefusal } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

/** What a dump does not refuse yet, or not by these names. */
const NOT_YET =
  /^(namespace|mount_tree|message_queue|lock-.*|child-.*|own-namespace-.*|thread-own-.*|vfork-parent)$/;

describe("refused", { concurrency: 2 }, () => {
  for (const entry of victims) {
    if (entry.refusedAs && !NOT_YET.test(entry.name)) test(entry.name, (t) => expectRefusal(t, entry));
  }
});
