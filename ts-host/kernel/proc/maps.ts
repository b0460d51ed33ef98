/** /proc/PID/maps, and the first line of each mapping in /proc/PID/smaps. */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { bytesOf, linesOf, malformed, type Place } from "./text.ts";

/** A mapping. */
export interface Vma {
  start: bigint;
  /** The first address after it. */
  end: bigint;
  /** PROT_READ, PROT_WRITE, PROT_EXEC. */
  prot: number;
  shared: boolean;
  /** Offset in the file, in bytes. */
  pgoff: bigint;
  /** Of the file system, 0:0 for private anonymous memory. Not always what stat() says (btrfs, overlayfs). */
  major: number;
  minor: number;
  inode: bigint;
  /**
   * Path or special name ("[heap]", "/memfd:name", "/dev/zero"), empty for anonymous memory, without
   * " (deleted)". A newline in it comes as \012, which a name could also hold literally: /proc/PID/map_files
   * has the truth.
   */
  path: Buffer;
  /** " (deleted)" stood after the path. Usually it was unlinked; but a file can be called so. */
  deleted: boolean;
}

const LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-])([w-])([x-])([sp]) ([0-9a-f]{1,16}) ([0-9a-f]{1,8}):([0-9a-f]{1,8}) (\d{1,20}) *(.*)$/s;
const DELETED = " (deleted)";
const NO_PATH = Buffer.alloc(0);

/** Parses one line, given without its newline. */
export function parseMapsLine(text: string, place: Place): Vma {
  const match = LINE.exec(text);
  if (match === null) throw malformed(place, "mapping", "a mapping", text);
  const { 1: start, 2: end, 3: read, 4: write, 5: exec, 6: sharing, 7: pgoff } = match;
  const { 8: major, 9: minor, 10: inode, 11: name } = match;
  const deleted = name!.endsWith(DELETED);
  const path = deleted ? name!.slice(0, -DELETED.length) : name!;
  const vma = {
    start: BigInt(`0x${start}`),
    end: BigInt(`0x${end}`),
    prot: (read === "r" ? PROT_READ : 0) | (write === "w" ? PROT_WRITE : 0) | (exec === "x" ? PROT_EXEC : 0),
    shared: sharing === "s",
    pgoff: BigInt(`0x${pgoff}`),
    major: Number.parseInt(major!, 16),
    minor: Number.parseInt(minor!, 16),
    inode: BigInt(inode!),
    path: path === "" ? NO_PATH : bytesOf(path.replaceAll("\\012", "\n")),
    deleted,
  };
  if (vma.end <= vma.start) throw malformed(place, "mapping", "an end after the start", text);
  return vma;
}

export function parseMaps(bytes: Uint8Array, file: string): Vma[] {
  return linesOf(bytes, file).map(({ text, place }) => parseMapsLine(text, place));
}
