/** Features of tasks: what ptrace tells and sets, and pids. */
import { existsSync } from "node:fs";
import { KCMP_VM } from "../kernel/abi/kcmp.ts";
import {
  PR_SET_MM,
  PR_SET_MM_MAP_SIZE,
  PR_TIMER_CREATE_RESTORE_IDS,
  PR_TIMER_CREATE_RESTORE_IDS_GET,
} from "../kernel/abi/prctl.ts";
import {
  PTRACE_GET_RSEQ_CONFIGURATION,
  PTRACE_O_EXITKILL,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_POKEUSR,
  PTRACE_SECCOMP_GET_FILTER,
} from "../kernel/abi/ptrace.ts";
import { ERRNO } from "../kernel/errno.ts";
import { addressOf, spawnSeed } from "../native/ffi.ts";
import { findSyscallInstruction } from "../remote/vdso.ts";
import { errnoOf, type Feature, withDescriptor, works } from "./feature.ts";
import { endSeed, withSeed } from "./seed.ts";

/** Offset of the debug registers in `struct user`, and what DR7 holds to stop at an execution of DR0's address. */
const DEBUG_REGISTERS = 848;
const DR7_EXECUTE_0 = 1;

/** A pid that was free a moment ago is asked for again; several times, as somebody else may be given it. */
function choosesPids(): boolean {
  for (let tries = 0; tries < 5; tries++) {
    const pid = withSeed((seed) => seed.tid);
    const spawned = spawnSeed(pid);
    if (spawned === -ERRNO.EEXIST) continue;
    if (spawned > 0) endSeed(spawned);
    return spawned === pid;
  }
  return false;
}

function readsOtherMemory(): boolean {
  return withSeed((seed) => {
    const address = findSyscallInstruction(seed.tid);
    const here = Buffer.alloc(8);
    const vector = (base: bigint) => {
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(base);
      bytes.writeBigUInt64LE(8n, 8);
      return bytes;
    };
    return works("process_vm_readv", seed.tid, vector(addressOf(here)), 1, vector(address), 1, 0);
  });
}

export const TASK_FEATURES: Feature[] = [
  {
    name: "ptrace",
    use: "stopping a process and making calls in it",
    isThere: () => withSeed(() => true),
  },
  { name: "process_vm_readv", use: "the memory of another process", isThere: readsOtherMemory },
  { name: "clone3_set_tid", use: "restoring under the old pid", isThere: choosesPids },
  {
    name: "kcmp",
    use: "telling which objects are the same",
    isThere: () => works("kcmp", process.pid, process.pid, KCMP_VM, 0, 0),
  },
  {
    name: "pidfd_store",
    use: "descriptors of another process",
    isThere: () =>
      withDescriptor(
        (fd) => withDescriptor(() => true, "pidfd_getfd", fd, fd, 0),
        "pidfd_open",
        process.pid,
        0,
      ),
  },
  {
    name: "seccomp_suspend",
    use: "processes with seccomp filters",
    isThere: () =>
      withSeed((seed) => {
        seed.setOptions(PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP);
        return true;
      }),
  },
  {
    name: "seccomp_filters",
    use: "processes with seccomp filters",
    // The seed has none, which is what the kernel says then; EIO is how it answers requests that it does not know.
    isThere: () =>
      withSeed((seed) => errnoOf("ptrace", PTRACE_SECCOMP_GET_FILTER, seed.tid, 0, 0) !== ERRNO.EIO),
  },
  {
    name: "get_rseq_conf",
    use: "restartable sequences",
    isThere: () =>
      withSeed((seed) => works("ptrace", PTRACE_GET_RSEQ_CONFIGURATION, seed.tid, 24, new Uint8Array(24))),
  },
  {
    name: "breakpoints",
    use: "stopping a process at an address",
    isThere: () =>
      withSeed(
        ({ tid }) =>
          works("ptrace", PTRACE_POKEUSR, tid, DEBUG_REGISTERS, findSyscallInstruction(tid)) &&
          works("ptrace", PTRACE_POKEUSR, tid, DEBUG_REGISTERS + 7 * 8, DR7_EXECUTE_0),
      ),
  },
  {
    name: "timer_cr_ids",
    use: "POSIX timers with their ids",
    isThere: () => works("prctl", PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0),
  },
  {
    name: "userns",
    use: "user namespaces",
    isThere: () =>
      existsSync("/proc/self/ns/user") &&
      works("prctl", PR_SET_MM, PR_SET_MM_MAP_SIZE, new Uint8Array(4), 0, 0),
  },
];
