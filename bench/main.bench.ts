/** npm run bench: every figure is a ratio, measured side by side in this one run. */
import { benchProcesses } from "./processes.ts";

await benchProcesses();
