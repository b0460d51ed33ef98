/**
 * Every error a user can meet. Each carries what it is about; `describe` composes the one line that a
 * person reads, so that no message is put together anywhere else.
 */

/** What an error is about. All optional: an error says what it knows. */
export interface ErrorContext {
  /** What was being done: "dump", "restore", "show" … */
  phase?: string;
  pid?: number;
  tid?: number;
  /** Name of the task, as in /proc/PID/comm. */
  comm?: string;
  fd?: number;
  /** The resource kind: "posix-timer", "pipe" … */
  kind?: string;
  /** An image file, or a file of the target. */
  file?: string;
  /** Number of the record in an image file, from 0. */
  record?: number;
  /** Field of a message, dotted: "tc.timers.real". */
  field?: string;
  /** Byte offset in `file`. */
  offset?: number;
  /** A system call with its arguments, printed as strace does. */
  op?: string;
  /** Name of the errno: "EPERM". */
  errno?: string;
  /** Number of the signal that broke the work off. */
  signal?: number;
  /** What the user can do about it. */
  hint?: string;
}

/** The base of all errors of this program: anything else that is thrown is a bug of ours. */
export class CriuWasmError extends Error {
  readonly context: ErrorContext;

  constructor(message: string, context: ErrorContext = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.context = context;
  }

  /** The same error with more context; what is already known is not overwritten. */
  within(context: ErrorContext): this {
    Object.assign(this.context, { ...context, ...this.context });
    return this;
  }
}

/** The target holds something that cannot be dumped or restored (yet). Raised before anything is changed. */
export class UnsupportedError extends CriuWasmError {}

/** A system call of the host failed. `context.op` and `context.errno` say which and how. */
export class SystemCallError extends CriuWasmError {}

/** A system call that was run inside the target failed. */
export class RemoteCallError extends CriuWasmError {}

/** The target died, or was taken away, while it was worked on. */
export class TargetGoneError extends CriuWasmError {}

/** Something took longer than it may. */
export class DeadlineError extends CriuWasmError {}

/** An image is damaged, hostile, of an unknown version, or not there. */
export class ImageError extends CriuWasmError {}

/** The machine does not have what a restore needs: a pid is taken, a file is gone or has changed … */
export class HostMismatchError extends CriuWasmError {}

/** A signal asked for an end, and the work was broken off; `context.signal` says which. */
export class InterruptedError extends CriuWasmError {}

/** Wrong options or arguments. */
export class UsageError extends CriuWasmError {}

/** One line for people: `dump: pid 812 (redis-server), fd 7: io_uring instance: not supported yet`. */
export function describe(error: unknown): string {
  if (!(error instanceof CriuWasmError)) {
    return `internal error: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { phase, pid, tid, comm, fd, kind, file, record, field, offset, op, errno, hint } = error.context;
  const about: string[] = [];
  if (pid !== undefined) about.push(`pid ${pid}${comm === undefined ? "" : ` (${comm})`}`);
  if (tid !== undefined && tid !== pid) about.push(`tid ${tid}`);
  if (fd !== undefined) about.push(`fd ${fd}`);
  if (kind !== undefined) about.push(kind);
  if (file !== undefined) about.push(file);
  if (record !== undefined) about.push(`record ${record}`);
  if (field !== undefined) about.push(`field ${field}`);
  if (offset !== undefined) about.push(`offset ${offset}`);
  const parts = [
    phase,
    about.join(", "),
    op === undefined ? "" : `${op}${errno ? ` = ${errno}` : ""}`,
    error.message,
  ];
  const line = parts.filter((part) => part !== undefined && part !== "").join(": ");
  return onOneLine(hint === undefined ? line : `${line} (${hint})`);
}

/** Names of tasks and files may hold newlines, and whatever a terminal heeds. */
function onOneLine(text: string): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(/\n/g, "\\n").replace(/\p{Cc}/gu, escaped);
}
