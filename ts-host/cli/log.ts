/**
 * The log of a run, as CRIU writes it: `(00.001234) text`, with the word Error in lines about failures.
 * Levels: 1 errors, 2 warnings, 3 what is done, 4 details.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { fileCall } from "../images/files.ts";
import { now } from "../kernel/clock.ts";

export const LOG_ERROR = 1;
export const LOG_WARNING = 2;
export const LOG_INFO = 3;
export const LOG_DEBUG = 4;

const FILE_PREFIX: Record<number, string> = { [LOG_ERROR]: "Error: ", [LOG_WARNING]: "Warn: " };
const TERMINAL_PREFIX: Record<number, string> = { [LOG_ERROR]: "error: ", [LOG_WARNING]: "warning: " };

export class Log {
  private readonly level: number;
  private readonly fd: number;
  private readonly began = now();

  /** Writes to `file`, or to stderr where none is given. */
  constructor(level: number, file?: string) {
    this.level = level;
    this.fd = file === undefined ? 2 : fileCall("open", file, () => openSync(file, "w"));
  }

  get isFile(): boolean {
    return this.fd !== 2;
  }

  write(level: number, text: string): void {
    if (level > this.level) return;
    const line = this.isFile
      ? `(${this.stamp()}) ${FILE_PREFIX[level] ?? ""}${text}`
      : `criu-wasm: ${TERMINAL_PREFIX[level] ?? ""}${text}`;
    writeSync(this.fd, `${line}\n`);
  }

  close(): void {
    if (this.isFile) closeSync(this.fd);
  }

  private stamp(): string {
    const seconds = (now() - this.began) / 1000;
    return seconds.toFixed(6).padStart(9, "0");
  }
}
