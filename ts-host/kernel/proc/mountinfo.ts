/** /proc/PID/mountinfo: the mounts that a process sees. */
import { bytesOf, decimal, linesOf, malformed, type Place, unescapeOctal } from "./text.ts";

export interface Mount {
  mountId: number;
  parentId: number;
  /** Device of the file system. */
  major: number;
  minor: number;
  /** What of the file system is mounted: "/" for all of it; "mnt:[…]" and the like for nsfs. */
  root: Buffer;
  /** Below the reader's root directory. */
  mountPoint: Buffer;
  /** Of the mount: "rw", "relatime" … */
  options: string[];
  /** Peer group of a shared mount. */
  shared: number | undefined;
  /** Peer group that a slave gets mounts from. */
  master: number | undefined;
  propagateFrom: number | undefined;
  unbindable: boolean;
  /** "ext4", or with a subtype "fuse.sshfs". */
  fsType: Buffer;
  /** May be empty. */
  source: Buffer;
  /** Of the file system, comma-separated, escapes undone; latin1, as values can be any bytes. */
  superOptions: Buffer;
}

function parseLine(text: string, place: Place): Mount {
  const fields = text.split(" ");
  const separator = fields.indexOf("-", 6);
  if (separator < 0 || fields.length < separator + 4) {
    throw malformed(place, "mount", "at least six fields, a dash, and three fields", text);
  }
  const [mountId, parentId, device, root, mountPoint, options] = fields;
  const [major, minor] = device!.split(":");
  const tags = new Map(
    fields.slice(6, separator).map((tag) => {
      const [name, value] = tag.split(":");
      return [name!, value];
    }),
  );
  const tag = (name: string) => (tags.has(name) ? decimal(tags.get(name), place, name) : undefined);
  const unescaped = (field: string | undefined) => bytesOf(unescapeOctal(field!));
  return {
    mountId: decimal(mountId, place, "mount id"),
    parentId: decimal(parentId, place, "parent id"),
    major: decimal(major, place, "major"),
    minor: decimal(minor, place, "minor"),
    root: unescaped(root),
    mountPoint: unescaped(mountPoint),
    options: options!.split(","),
    shared: tag("shared"),
    master: tag("master"),
    propagateFrom: tag("propagate_from"),
    unbindable: tags.has("unbindable"),
    fsType: unescaped(fields[separator + 1]),
    source: unescaped(fields[separator + 2]),
    superOptions: unescaped(fields.slice(separator + 3).join(" ")),
  };
}

export function parseMountinfo(bytes: Uint8Array, file: string): Mount[] {
  return linesOf(bytes, file).map(({ text, place }) => parseLine(text, place));
}

/** The ids alone, for which the rest need not be understood. */
export function parseMountIds(bytes: Uint8Array): Set<number> {
  const text = Buffer.from(bytes).toString("latin1");
  return new Set([...text.matchAll(/^\d+/gm)].map(([id]) => Number(id)));
}
