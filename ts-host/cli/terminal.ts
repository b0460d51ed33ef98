/** Where the command's words go; tests put something else in its place. */
import { once } from "node:events";
import { fstatSync } from "node:fs";

export interface Terminal {
  /** Writes to stdout, in order. Await it: whoever reads may be slow. */
  print(part: string | Uint8Array): Promise<void>;
  /** Writes a line to stderr. */
  complain(line: string): void;
  /** Replaces the last line on the screen; absent where nobody looks. */
  status?(line: string): void;
}

/** Text of an image as a terminal may get it: no control characters, and bytes that are not UTF-8 as such. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\udc80-\udcff]/gu, (character) => {
    const byte = character.charCodeAt(0) & 0xff;
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  });
}

/** A result for machines, on one line; addresses and sizes of 64 bits, which numbers of JSON are not, as hex. */
export function machineJson(value: unknown): string {
  return `${JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `0x${part.toString(16)}` : part))}\n`;
}

/** A reader of stdout that has seen enough, as `head`, ends the command without a word. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit();
}

/** Whether somebody looks at stderr. Node takes milliseconds to set a stream up, so that is not done to ask. */
function isWatched(): boolean {
  try {
    return fstatSync(2).isCharacterDevice() && process.stderr.isTTY;
  } catch {
    return false; // It is closed.
  }
}

export function processTerminal(): Terminal {
  let stdout: NodeJS.WriteStream | undefined;
  return {
    async print(part) {
      stdout ??= process.stdout.on("error", endWithReader);
      if (!stdout.write(part)) await once(stdout, "drain");
    },
    complain(line) {
      process.stderr.write(`${printable(line)}\n`);
    },
    ...(isWatched() ? { status: (line: string) => void process.stderr.write(`\r\x1b[K${line}`) } : {}),
  };
}
