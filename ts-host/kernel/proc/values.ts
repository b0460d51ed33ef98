/** The files of /proc/PID that hold a single value, a list of numbers, or a link to a namespace. */
import { bytesOf, decimal, hexadecimal, malformed, textOf } from "./text.ts";

/** oom_score_adj, timerslack_ns. */
export function parseDecimalFile(bytes: Uint8Array, file: string): number {
  return decimal(textOf(bytes).trimEnd(), { file, line: 1 }, "value");
}

/** personality, coredump_filter: 32 bits in hexadecimal. */
export function parseHexFile(bytes: Uint8Array, file: string): number {
  return Number(hexadecimal(textOf(bytes).trimEnd(), { file, line: 1 }, "value"));
}

/** task/TID/children: pids, those of zombies included. */
export function parseChildren(bytes: Uint8Array, file: string): number[] {
  const words = textOf(bytes)
    .split(/[ \n]/)
    .filter((word) => word !== "");
  return words.map((word) => decimal(word, { file, line: 1 }, "pid"));
}

/** comm: any bytes, newlines among them; the kernel adds one at the end. */
export function parseComm(bytes: Uint8Array): Buffer {
  return bytesOf(textOf(bytes).replace(/\n$/, ""));
}

/** A namespace: two tasks are in the same one where both fields are equal. */
export interface NamespaceId {
  /** "mnt", "pid", "net" … */
  type: string;
  inode: number;
}

/** The target of a link in ns/: "mnt:[4026531841]". */
export function parseNamespaceLink(link: string, file: string): NamespaceId {
  const match = /^([a-z]+):\[(\d{1,15})\]$/.exec(link);
  if (match === null) throw malformed({ file, line: 1 }, "namespace", "type:[inode]", link);
  return { type: match[1]!, inode: Number(match[2]) };
}
