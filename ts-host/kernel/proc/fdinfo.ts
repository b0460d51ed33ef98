/** /proc/PID/fdinfo/FD. */
import { decimal, decimal64, linesOf, malformed, octal } from "./text.ts";

export interface Fdinfo {
  pos: bigint;
  /** O_ flags, with O_CLOEXEC. */
  flags: number;
  mntId: number;
  /** Missing before 5.14. */
  ino: bigint | undefined;
  /** What the kind of file adds, line by line, and "lock:" lines; latin1. */
  lines: string[];
}

const COMMON = /^(pos|flags|mnt_id|ino):\t(.*)$/;

export function parseFdinfo(bytes: Uint8Array, file: string): Fdinfo {
  const lines = linesOf(bytes, file);
  const common = new Map<string, string>();
  let count = 0;
  for (; count < lines.length; count++) {
    const match = COMMON.exec(lines[count]!.text);
    if (match === null || common.has(match[1]!)) break;
    common.set(match[1]!, match[2]!);
  }
  const place = { file, line: 1 };
  const ino = common.get("ino");
  if (count < 3) throw malformed(place, "fdinfo", "pos, flags and mnt_id", lines[count]?.text ?? "nothing");
  return {
    pos: decimal64(common.get("pos"), place, "pos"),
    flags: octal(common.get("flags"), place, "flags"),
    mntId: decimal(common.get("mnt_id"), place, "mnt_id"),
    ino: ino === undefined ? undefined : decimal64(ino, place, "ino"),
    lines: lines.slice(count).map(({ text }) => text),
  };
}
