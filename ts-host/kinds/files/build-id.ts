/** The GNU build id of an ELF file, by which an image knows a program or library again. */
import { type BigIntStats, closeSync, openSync, readSync, type Stats } from "node:fs";

const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
/** Sizes that no sane file exceeds. */
const MAX_PROGRAM_HEADERS = 1024;
const MAX_NOTES = 1 << 16;

function readAt(fd: number, offset: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
}

/** The words of the build id in a segment of notes; empty when it holds none. */
function findBuildId(notes: Buffer): number[] {
  const padded = (size: number) => (size + 3) & ~3;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const start = at + 12 + padded(nameSize);
    if (start + size > notes.length) break;
    const name = notes.toString("latin1", at + 12, at + 12 + nameSize);
    if (notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID && name === "GNU\0") {
      return Array.from({ length: size >> 2 }, (_, index) => notes.readUInt32LE(start + 4 * index));
    }
    at = start + padded(size);
  }
  return [];
}

function readBuildId(path: string | Buffer): number[] {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return []; // not to be read: it cannot be told apart by its build id
  }
  try {
    const header = readAt(fd, 0n, HEADER_SIZE);
    // 64-bit, little endian
    if (header.length < HEADER_SIZE || header.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") return [];
    const count = Math.min(header.readUInt16LE(56), MAX_PROGRAM_HEADERS);
    const table = readAt(fd, header.readBigUInt64LE(32), count * PROGRAM_HEADER_SIZE);
    for (let at = 0; at + PROGRAM_HEADER_SIZE <= table.length; at += PROGRAM_HEADER_SIZE) {
      if (table.readUInt32LE(at) !== PT_NOTE) continue;
      const size = Math.min(Number(table.readBigUInt64LE(at + 32)), MAX_NOTES);
      const found = findBuildId(readAt(fd, table.readBigUInt64LE(at + 8), size));
      if (found.length > 0) return found;
    }
    return [];
  } catch {
    return []; // a special file, or an offset that only a hostile header has
  } finally {
    closeSync(fd);
  }
}

const known = new Map<string, number[]>();

/**
 * The build id of the file at `path` as the 32-bit words that images hold; empty for what has none. Asked for
 * a second time it is not read again, so that the rehearsal of a dump spares the frozen task the time.
 */
export function buildIdOf(path: string | Buffer, stat: Stats | BigIntStats): number[] {
  const key = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
  let buildId = known.get(key);
  if (!buildId) {
    buildId = readBuildId(path);
    known.set(key, buildId);
  }
  return buildId;
}
