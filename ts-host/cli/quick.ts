/** The script of the verbs that have to begin soon. */
import { QUICK_VERBS } from "./quick-verbs.ts";
import { run } from "./run.ts";

void run(QUICK_VERBS);
