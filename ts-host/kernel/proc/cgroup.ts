/** /proc/PID/cgroup. */
import { bytesOf, decimal, linesOf, malformed } from "./text.ts";

/** Membership in one hierarchy. */
export interface CgroupMembership {
  /** 0 for the unified hierarchy (version 2). */
  hierarchy: number;
  /** Controllers of a version 1 hierarchy, or its name ("name=systemd"); empty for version 2. */
  controllers: string[];
  /** From the root of the reader's cgroup namespace; starts with "/..", where it lies outside. */
  path: Buffer;
  /** The group was removed. */
  deleted: boolean;
}

const DELETED = " (deleted)";

export function parseCgroup(bytes: Uint8Array, file: string): CgroupMembership[] {
  return linesOf(bytes, file).map(({ text, place }) => {
    const match = /^(\d+):([^:]*):(\/.*)$/s.exec(text);
    if (match === null) throw malformed(place, "cgroup", "hierarchy:controllers:path", text);
    const [, hierarchy, controllers, path] = match;
    const deleted = path!.endsWith(DELETED);
    return {
      hierarchy: decimal(hierarchy, place, "hierarchy"),
      controllers: controllers === "" ? [] : controllers!.split(","),
      path: bytesOf(deleted ? path!.slice(0, -DELETED.length) : path!),
      deleted,
    };
  });
}
