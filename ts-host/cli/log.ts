/**
 * The log of a run, as CRIU writes it: `(00.001234) text`, with the word Error in lines about failures.
 * Levels: 1 errors, 2 warnings, 3 what is done, 4 details.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";

export const LOG_ERROR = 1;
export const LOG_WARNING = 2;
export const LOG_INFO = 3;
export const LOG_DEBUG = 4;

export class Log {
  private readonly level: number;
  private readonly fd: number;
  private readonly began = performance.now();

  /** Writes to `file`, or to stderr where none is given. */
  constructor(level: number, file?: string) {
    this.level = level;
    if (file !== undefined) mkdirSync(dirname(resolve(file)), { recursive: true });
    this.fd = file === undefined ? 2 : openSync(file, "w");
  }

  get isFile(): boolean {
    return this.fd !== 2;
  }

  write(level: number, text: string): void {
    if (level > this.level) return;
    const prefix = level === LOG_ERROR ? "Error: " : level === LOG_WARNING ? "Warn: " : "";
    if (this.isFile) writeSync(this.fd, `(${this.stamp()}) ${prefix}${text}\n`);
    else writeSync(2, `criu-wasm: ${level === LOG_WARNING ? "warning: " : ""}${text}\n`);
  }

  close(): void {
    if (this.isFile) closeSync(this.fd);
  }

  private stamp(): string {
    const seconds = (performance.now() - this.began) / 1000;
    return seconds.toFixed(6).padStart(9, "0");
  }
}
