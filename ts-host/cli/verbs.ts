/** All verbs, each loaded when it is asked for and not before. */
import { IMAGE_VERBS } from "./image-verbs.ts";
import { LOOK_VERBS } from "./look-verbs.ts";
import { OTHER_VERBS } from "./other-verbs.ts";
import { QUICK_VERBS } from "./quick-verbs.ts";
import type { Verbs } from "./verb.ts";

export const VERBS: Verbs = { ...QUICK_VERBS, ...LOOK_VERBS, ...IMAGE_VERBS, ...OTHER_VERBS };
