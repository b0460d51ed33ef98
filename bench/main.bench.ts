/** npm run bench [core|processes|formats|offline]: every figure is a ratio, measured side by side in this one run. */
import { benchCore } from "./core.ts";
import { benchFormats } from "./formats.ts";
import { benchOffline } from "./offline.ts";
import { benchProcesses } from "./processes.ts";

const BENCHES: Record<string, () => Promise<unknown>> = {
  core: benchCore,
  processes: benchProcesses,
  formats: benchFormats,
  offline: benchOffline,
};

const wanted = process.argv.slice(2);
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length === 0 || wanted.includes(name)) await bench();
}
