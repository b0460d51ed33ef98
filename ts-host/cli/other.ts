/** The script of all other verbs. */
import { OTHER_VERBS } from "./other-verbs.ts";
import { run } from "./run.ts";

void run(OTHER_VERBS);
