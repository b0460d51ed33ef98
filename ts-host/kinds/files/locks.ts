/** Locks and leases that a task holds on a file, as fdinfo of its descriptor lists them: refused by name. */
import { UnsupportedError } from "../../errors.ts";
import type { HeldFile } from "./file-kind.ts";

/** "lock:\t1: POSIX  ADVISORY  WRITE 812 fe:00:1311 0 EOF" */
const LOCK = /^lock:\t\d+: (\S+)/;

const NAMES: Record<string, string> = {
  FLOCK: "a lock (flock)",
  POSIX: "a lock (fcntl F_SETLK)",
  OFDLCK: "a lock (fcntl F_OFD_SETLK)",
  LEASE: "a lease",
  DELEG: "a delegation, which is a lease",
};

export function refuseLocks({ lines, fd, link }: HeldFile): void {
  const found = lines.map((line) => LOCK.exec(line)?.[1]).find((type) => type !== undefined);
  if (found === undefined) return;
  throw new UnsupportedError(`${NAMES[found] ?? `a lock (${found})`} on a file: not supported yet`, {
    fd,
    file: link.toString(),
  });
}
