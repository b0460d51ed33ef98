/** The command, with all verbs. */
import { run } from "./run.ts";
import { VERBS } from "./verbs.ts";

void run(VERBS);
