/** The script of the verbs that look into a checkpoint. */
import { LOOK_VERBS } from "./look-verbs.ts";
import { run } from "./run.ts";

void run(LOOK_VERBS);
