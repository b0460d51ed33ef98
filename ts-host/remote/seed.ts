/** The seed, a process of a few instructions: what a restored task begins as, and what features are tried on. */
import { PTRACE_O_EXITKILL, PTRACE_O_TRACESYSGOOD } from "../kernel/abi/ptrace.ts";
import { Tracee } from "./tracee.ts";

/** ptrace options of a seed and its threads: they end with their maker. */
export const SEED_OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;

const STOP_TIMEOUT_US = 10_000_000;

/** Stops a seed that was just spawned. It ends with this process, or here if it cannot be traced. */
export function seizeSeed(pid: number): Tracee {
  try {
    const tracee = Tracee.seize(pid, SEED_OPTIONS, STOP_TIMEOUT_US);
    tracee.interrupt();
    tracee.waitForInterrupt(STOP_TIMEOUT_US);
    return tracee;
  } catch (error) {
    process.kill(pid, "SIGKILL");
    throw error;
  }
}
