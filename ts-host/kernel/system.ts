/** What the machine as a whole has. */
import { readFileSync } from "node:fs";

let processors: number | undefined;

/** How many processors are online, from a list like "0-3,6"; read once. */
export function processorCount(): number {
  processors ??= readFileSync("/sys/devices/system/cpu/online", "latin1")
    .split(",")
    .map((range) => range.split("-").map(Number))
    .reduce((sum, [first, last = first]) => sum + last! - first! + 1, 0);
  return processors;
}
