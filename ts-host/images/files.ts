/** Files of checkpoints: whole reads and writes, every failure an error that names the file. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
  writevSync,
} from "node:fs";
import { ImageError, SystemCallError } from "../errors.ts";
import type { RandomFile } from "./source.ts";

function errnoOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EEXIST: "something of that name is there",
  EISDIR: "a directory",
  ENOENT: "no such file or directory",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is no directory",
  EROFS: "the file system is read-only",
};

function failed(call: string, file: string, error: unknown): SystemCallError {
  const errno = errnoOf(error);
  return new SystemCallError(REASONS[errno ?? ""] ?? "the call failed", { file, op: call, errno }, error);
}

/** Runs one call of node:fs on a file. */
export function fileCall<T>(call: string, file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw failed(call, file, error);
  }
}

/** A file of a checkpoint that is being written. */
export class OutputFile {
  readonly fd: number;
  readonly path: string;
  #length = 0;
  #open = true;

  /** Creates `path`, which must not exist. */
  constructor(path: string) {
    this.path = path;
    this.fd = fileCall("open", path, () => openSync(path, "wx", 0o600));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += fileCall("write", this.path, () =>
        writeSync(this.fd, bytes, done, bytes.length - done, this.#length + done),
      );
    }
    this.#length += bytes.length;
  }

  /** Writes `parts`, one after the other, in one call as a rule. */
  writeAll(parts: Uint8Array[]): void {
    let written = fileCall("write", this.path, () => writevSync(this.fd, parts, this.#length));
    this.#length += written;
    for (const part of parts) {
      this.write(part.subarray(Math.min(written, part.length)));
      written -= Math.min(written, part.length);
    }
  }

  /** Has `put` write `count` bytes to byte `offset` of the open file `fd`. */
  append(count: number, put: (fd: number, offset: number) => void): void {
    put(this.fd, this.#length);
    this.#length += count;
  }

  /** Leaves out `count` bytes, which read as zeros and need no room on the disk. */
  skip(count: number): void {
    this.#length += count;
    fileCall("ftruncate", this.path, () => ftruncateSync(this.fd, this.#length));
  }

  close(): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }
}

/** Fills `into` from byte `offset` of an open file on; `path` is for messages. */
export function readFully(fd: number, path: string, into: Uint8Array, offset: number): void {
  for (let done = 0; done < into.length; ) {
    const count = fileCall("read", path, () => readSync(fd, into, done, into.length - done, offset + done));
    if (count === 0) throw new ImageError("the file ends too early", { file: path, offset: offset + done });
    done += count;
  }
}

/** A file of a checkpoint that is being read, at any offset. */
export class InputFile implements RandomFile {
  readonly #fd: number;
  readonly path: string;
  readonly length: number;

  constructor(path: string) {
    this.path = path;
    try {
      // O_NONBLOCK: a FIFO in the place of an image must not hang us.
      this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") throw new ImageError("no such file", { file: path }, error);
      throw failed("open", path, error);
    }
    const stat = fstatSync(this.#fd);
    if (!stat.isFile()) {
      closeSync(this.#fd);
      throw new ImageError("not a regular file", { file: path });
    }
    this.length = stat.size;
  }

  read(into: Uint8Array, offset: number): void {
    readFully(this.#fd, this.path, into, offset);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Makes a file or directory durable. */
export function sync(path: string): void {
  const fd = fileCall("open", path, () => openSync(path, "r"));
  try {
    fileCall("fsync", path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}
