/** /proc/PID/limits: what prlimit64 gives, without the rights that prlimit64 needs on another user's task. */
import { RLIM_INFINITY, RLIM_NLIMITS } from "../abi/resource.ts";
import { decimal64, linesOf, malformed, type Place } from "./text.ts";

export interface Limit {
  soft: bigint;
  hard: bigint;
}

/** The kernel's names, by RLIMIT_ number. */
const NAMES = [
  "Max cpu time",
  "Max file size",
  "Max data size",
  "Max stack size",
  "Max core file size",
  "Max resident set",
  "Max processes",
  "Max open files",
  "Max locked memory",
  "Max address space",
  "Max file locks",
  "Max pending signals",
  "Max msgqueue size",
  "Max nice priority",
  "Max realtime priority",
  "Max realtime timeout",
];

function limit(text: string, place: Place, name: string): bigint {
  return text === "unlimited" ? RLIM_INFINITY : decimal64(text, place, name);
}

/** The limits by RLIMIT_ number. */
export function parseLimits(bytes: Uint8Array, file: string): Limit[] {
  const lines = linesOf(bytes, file);
  const limits: Limit[] = [];
  for (const { text, place } of lines.slice(1)) {
    const name = NAMES[limits.length];
    const match = /^(.{25}) (\S+) +(\S+)/.exec(text);
    if (name === undefined || match?.[1]?.trimEnd() !== name) {
      throw malformed(place, "limit", name ?? "the end of the file", text);
    }
    limits.push({ soft: limit(match[2]!, place, name), hard: limit(match[3]!, place, name) });
  }
  if (limits.length !== RLIM_NLIMITS) {
    throw malformed({ file, line: lines.length + 1 }, "limit", NAMES[limits.length]!, "nothing");
  }
  return limits;
}
