/** What a verb writes to the file of -o, or to stdout. A file is there when it is complete, and not before. */
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { CriuWasmError } from "../errors.ts";
import { fileCall } from "../images/files.ts";
import { onSignal } from "./leftovers.ts";
import type { Terminal } from "./terminal.ts";

export interface Output {
  /** Bytes may be changed once this has returned. */
  write(part: string | Uint8Array): Promise<void>;
}

/** Runs `body` with the output; what it wrote to a file is removed when it fails or a signal comes. */
export async function withOutput(
  file: string | undefined,
  terminal: Terminal,
  body: (output: Output) => Promise<void>,
): Promise<void> {
  if (file === undefined) return body({ write: (part) => terminal.print(part.slice()) });
  const isOrdinary = statSync(file, { throwIfNoEntry: false })?.isFile() ?? true;
  if (isOrdinary) return inNewFile(file, (growing) => toFile(growing, body));
  return toFile(file, body);
}

async function toFile(path: string, body: (output: Output) => Promise<void>): Promise<void> {
  const fd = fileCall("open", path, () => openSync(path, "w"));
  try {
    await body({
      async write(part) {
        const bytes = typeof part === "string" ? Buffer.from(part) : part;
        for (let done = 0; done < bytes.length; )
          done += fileCall("write", path, () => writeSync(fd, bytes, done, bytes.length - done));
      },
    });
  } finally {
    closeSync(fd);
  }
}

/** Runs `write` with the path of a file that gets its name, `file`, when it is complete. */
export async function inNewFile(file: string, write: (growing: string) => Promise<void>): Promise<void> {
  const growing = `${file}.incomplete-${process.pid}`;
  const callOff = onSignal(() => rmSync(growing, { force: true }));
  try {
    await write(growing);
    fileCall("rename", file, () => renameSync(growing, file));
  } catch (error) {
    if (error instanceof CriuWasmError && error.context.file === growing) error.context.file = file;
    throw error;
  } finally {
    rmSync(growing, { force: true });
    callOff();
  }
}
