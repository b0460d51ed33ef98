/**
 * The only file that loads koffi. All of the shim is reached through these functions.
 *
 * Every call is synchronous and made on the main thread: ptrace obeys only the thread that seized.
 */
import type * as Koffi from "koffi";
import { asset } from "../assets.ts";
import { CriuWasmError, UnsupportedError } from "../errors.ts";
import { requireMachine } from "./machine.ts";

/** A system call argument: a number, or a buffer whose address is passed. */
export type NativeArg = number | bigint | Uint8Array;

interface Shim {
  syscall(...args: (number | bigint)[]): number | bigint;
  address(buffer: Uint8Array): number | bigint;
  wait(pid: number, options: number, timeoutUs: number, status: Uint8Array): number;
  seize(tid: number, options: number, timeoutUs: number): number;
  spawn(path: string, pid: number, flags: bigint): number;
  blob(to: Uint8Array, room: number): number;
  blobStandsAt(): number;
  watchSignal(number: number, old: Uint8Array): number;
  watchedSignal(): number;
}

let loaded: Shim | undefined;

/** koffi's own way to its binary asks for it in many places, which takes longer than to load the one for glibc. */
function loadKoffi(): typeof Koffi {
  try {
    return require("@koromix/koffi-linux-x64/linux_x64/koffi.node");
  } catch {
    return require("koffi");
  }
}

function openShim(path: string) {
  let koffi: typeof Koffi;
  try {
    koffi = loadKoffi();
  } catch (error) {
    const hint = "it is an npm package; image files can be worked on without it";
    throw new UnsupportedError("needs koffi, which is not here or does not run here", { hint }, error);
  }
  try {
    return koffi.load(path);
  } catch (error) {
    const hint = "the build makes it; image files can be worked on without it";
    throw new CriuWasmError("the shim cannot be loaded", { file: path, hint }, error);
  }
}

/** Loads the shim. Called before a freeze, so that nothing has to be loaded after it. */
export function loadShim(): Shim {
  if (loaded) return loaded;
  requireMachine();
  const library = openShim(asset("shim/shim.so"));
  loaded = {
    syscall: library.func(
      "int64_t cw_syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)",
    ),
    address: library.func("uint64_t cw_address(const uint8_t *)"),
    wait: library.func("int64_t cw_wait(int, int, int64_t, _Out_ uint8_t *)"),
    seize: library.func("int64_t cw_seize(int, int64_t, int64_t)"),
    spawn: library.func("int64_t cw_spawn(const char *, int, uint64_t)"),
    blob: library.func("int64_t cw_blob(_Out_ uint8_t *, int64_t)"),
    blobStandsAt: library.func("int64_t cw_blob_stands_at()"),
    watchSignal: library.func("int64_t cw_watch_signal(int, _Out_ uint8_t *)"),
    watchedSignal: library.func("int64_t cw_watched_signal()"),
  } as unknown as Shim;
  return loaded;
}

/** The address of a buffer. The buffer must stay referenced as long as the address is in use. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(loadShim().address(buffer));
}

/** One system call of this process; the kernel's result, -errno on failure. */
export function rawSyscall(nr: number, ...args: NativeArg[]): bigint {
  const shim = loadShim();
  const value = (index: number) => {
    const arg = args[index] ?? 0;
    if (typeof arg === "number") return arg;
    return BigInt.asIntN(64, typeof arg === "bigint" ? arg : BigInt(shim.address(arg)));
  };
  return BigInt(shim.syscall(nr, value(0), value(1), value(2), value(3), value(4), value(5)));
}

const statusBuffer = Buffer.alloc(64);

/** What waiting found: a raw wait status, an errno, or neither when time was up. */
export interface WaitResult {
  status?: number;
  errno?: number;
}

/** waitpid of one task with a deadline, which holds although no JavaScript timer can fire meanwhile. */
export function waitFor(tid: number, options: number, timeoutUs: number): WaitResult {
  const ret = Number(loadShim().wait(tid, options, timeoutUs, statusBuffer));
  if (ret < 0) return { errno: -ret };
  return ret === 0 ? {} : { status: statusBuffer.readInt32LE(0) };
}

/** PTRACE_SEIZE: 0 or -errno, -EINTR when time was up. */
export function seizeWithin(tid: number, options: number, timeoutUs: number): number {
  return Number(loadShim().seize(tid, options, Math.max(1, Math.floor(timeoutUs))));
}

/** Spawns the seed under the given pid (0: any); its pid, or -errno. */
export function spawnSeed(pid: number, cloneFlags = 0n): number {
  return Number(loadShim().spawn(asset("shim/seed"), pid, cloneFlags));
}

/** Longest that the batch blob may be, in bytes. */
const BLOB_LIMIT = 256;

/** The machine code of the batch blob, and the offset in it at which a thread stands when its batch is done. */
export function batchBlob(): { code: Buffer; standsAt: number } {
  const room = Buffer.alloc(BLOB_LIMIT);
  const size = Number(loadShim().blob(room, room.length));
  if (size < 0) throw new CriuWasmError(`the batch blob does not fit its ${BLOB_LIMIT} bytes`);
  return { code: room.subarray(0, size), standsAt: Number(loadShim().blobStandsAt()) };
}

/** Has a signal noted, once, instead of obeyed; `old` (32 bytes) is what rt_sigaction takes to undo this. */
export function watchSignal(number: number, old: Uint8Array): void {
  loadShim().watchSignal(number, old);
}

/** The last watched signal that came; 0: none has. */
export function watchedSignal(): number {
  return Number(loadShim().watchedSignal());
}
