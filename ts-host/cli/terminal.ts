/** Where the command's words go; tests put something else in its place. */
import { fstatSync, writeSync } from "node:fs";

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

/** So much goes into a pipe or a socket whether or not somebody reads already. */
const PIPE_BYTES = 65_536;

/** Bytes that stdout takes as a rule without a wait. */
function roomOfStdout(): number {
  try {
    const stat = fstatSync(1);
    return stat.isFile() || stat.isCharacterDevice() ? Number.POSITIVE_INFINITY : PIPE_BYTES;
  } catch {
    return 0;
  }
}

/** Writes to stdout: by Node's stream, which takes milliseconds to set up, only what could have to wait. */
class Stdout {
  #room = roomOfStdout();
  #stream: NodeJS.WriteStream | undefined;

  async write(part: string | Uint8Array): Promise<void> {
    const bytes = typeof part === "string" ? Buffer.from(part) : part;
    const rest = bytes.subarray(this.#writeAtOnce(bytes));
    if (rest.length === 0) return;
    this.#room = 0;
    this.#stream ??= process.stdout.on("error", endWithReader);
    const stream = this.#stream;
    // To the end: what a stream still holds is lost when the process ends.
    await new Promise<void>((resolve) => stream.write(rest, () => resolve()));
  }

  /** Writes what there is room for; how many bytes that are. */
  #writeAtOnce(bytes: Uint8Array): number {
    if (bytes.length > this.#room) return 0;
    this.#room -= bytes.length;
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(1, bytes, done);
    } catch (error) {
      // It is full, and whoever made it does not want anybody to wait.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") endWithReader(error as NodeJS.ErrnoException);
    }
    return done;
  }
}

export function processTerminal(): Terminal {
  const stdout = new Stdout();
  return {
    print: (part) => stdout.write(part),
    complain(line) {
      process.stderr.write(`${printable(line)}\n`);
    },
    ...(isWatched() ? { status: (line: string) => void process.stderr.write(`\r\x1b[K${line}`) } : {}),
  };
}
