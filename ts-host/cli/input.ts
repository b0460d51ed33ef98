/** What verbs read: a checkpoint, or all of stdin. */
import { statSync } from "node:fs";
import type { Checkpoint } from "../offline/checkpoint.ts";
import { openPath } from "../offline/node.ts";
import { Progress, percent } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Opens what a verb looks at. An archive has to be read first, which takes its time. */
export async function openInput(path: string, terminal: Terminal): Promise<Checkpoint> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const progress = new Progress(terminal);
  try {
    return await openPath(path, {
      onRead: (bytes) => progress.show(() => `reading ${path}: ${percent(bytes, size)}`),
    });
  } finally {
    progress.end();
  }
}

export async function readInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
