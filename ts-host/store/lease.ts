/** Who is at work in a store right now: a small file for each, which the next one clears up after a death. */
import { readFileSync, readlinkSync } from "node:fs";

interface Owner {
  pid: number;
  /** Start of the process in clock ticks after boot: a pid alone may be another's by now. */
  start: string;
  boot: string;
  pidNamespace: string;
}

/** An owner that cannot be looked at, on another machine or in another pid namespace, counts as alive so long. */
const FOREIGN_OWNER_MS = 24 * 3600 * 1000;

function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

function startOf(pid: number): string {
  const stat = readOrEmpty(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function here(): Omit<Owner, "pid" | "start"> {
  return {
    boot: readOrEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()),
    pidNamespace: readOrEmpty(() => readlinkSync("/proc/self/ns/pid")),
  };
}

/** Content of this process's lease file. */
export function describeOwner(): string {
  return JSON.stringify({ pid: process.pid, start: startOf(process.pid), ...here() } satisfies Owner);
}

/** Whether the owner of a lease file with that content, last changed at `modified` (ms), may still be at work. */
export function ownerLives(content: string, modified: number): boolean {
  let owner: Partial<Owner>;
  try {
    owner = JSON.parse(content);
  } catch {
    // It is being written, or was when its owner died.
    return Date.now() - modified < 60_000;
  }
  const { boot, pidNamespace } = here();
  if (owner.boot !== boot || owner.pidNamespace !== pidNamespace)
    return Date.now() - modified < FOREIGN_OWNER_MS;
  try {
    process.kill(owner.pid!, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return startOf(owner.pid!) === owner.start;
}
