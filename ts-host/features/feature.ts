/** What a machine can do or cannot, found out by trying it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SyscallName } from "../kernel/syscalls.ts";
import { call, tryCall } from "../native/calls.ts";
import type { NativeArg } from "../native/ffi.ts";

export interface Feature {
  /** CRIU's name where it has one. */
  name: string;
  /** What needs it, for people. */
  use: string;
  /** Tries it; leaves nothing behind. What it throws means no. */
  isThere(): boolean;
}

/** Whether a call succeeds. */
export function works(name: SyscallName, ...args: NativeArg[]): boolean {
  return tryCall(name, ...args) >= 0n;
}

/** The errno of a call; 0 when it succeeds. */
export function errnoOf(name: SyscallName, ...args: NativeArg[]): number {
  const result = tryCall(name, ...args);
  return result < 0n ? Number(-result) : 0;
}

/** Runs `body` with the descriptor that the call makes, and closes it. */
export function withDescriptor<T>(body: (fd: number) => T, name: SyscallName, ...args: NativeArg[]): T {
  const fd = Number(call(name, ...args));
  try {
    return body(fd);
  } finally {
    tryCall("close", fd);
  }
}

export function fdinfo(fd: number): string {
  return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
}

/** A string as system calls take it. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** Runs `body` with a path at which nothing is; what it makes there is removed. */
export function withTemporaryPath<T>(body: (path: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "criu-wasm-check-"));
  try {
    return body(join(directory, "file"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
