/** The script of the verbs for one image by itself. */
import { IMAGE_VERBS } from "./image-verbs.ts";
import { run } from "./run.ts";

void run(IMAGE_VERBS);
