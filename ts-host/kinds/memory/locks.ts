/**
 * Locked memory: mlock and mlock2 of mappings, with or without MLOCK_ONFAULT, and what mlockall has said of
 * mappings made later (MCL_FUTURE), which nothing shows but such a mapping. Nothing is lost.
 */
import type { Kind } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { RemoteCallError } from "../../errors.ts";
import type { VmaEntry } from "../../generated/messages.ts";
import {
  MADV_COLD,
  MAP_ANONYMOUS,
  MAP_LOCKED,
  MAP_PRIVATE,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
  PROT_READ,
  PROT_WRITE,
} from "../../kernel/abi/mman.ts";
import { ERRNO, errnoName } from "../../kernel/errno.ts";
import type { Batch, BatchArg, Op } from "../../remote/batch.ts";
import { isKernels } from "./vma.ts";

const PAGE = 4096;

/** Advice that changes nothing of note, but is refused for locked memory. */
function askLocked(batch: Batch, address: BatchArg): Op {
  return batch.call("madvise", [address, PAGE, MADV_COLD], { mayFail: true });
}

const isLocked = (asked: Op) => asked.result === -ERRNO.EINVAL;

/**
 * A lock whose pages cannot all be brought in (no access, guard pages, past the end of a file) is refused
 * with ENOMEM, and is there all the same. ENOMEM for want of the right to lock so much looks like that, too.
 */
function lock(task: RestoreTask, vma: VmaEntry, batch: Batch) {
  const flags = vma.criu_wasm?.locked_on_fault ? MLOCK_ONFAULT : 0;
  const made = batch.call("mlock2", [vma.start, vma.end - vma.start, flags], { mayFail: true });
  const asked = askLocked(batch, vma.start);
  return () => {
    if (!made.failed || (made.result === -ERRNO.ENOMEM && isLocked(asked))) return;
    throw new RemoteCallError("memory that was locked cannot be locked", {
      pid: task.pid,
      op: batch.print(made),
      errno: errnoName(-made.result),
      hint: "CAP_IPC_LOCK is needed, or a higher limit of locked memory (ulimit -l)",
    });
  };
}

export const memoryLocks: Kind = {
  name: "memory lock",
  after: ["memory"],

  dumpTask(task, batch) {
    const page = batch.call("mmap", [0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0]);
    const asked = askLocked(batch, page);
    const resident = batch.room(1);
    batch.call("mincore", [page, PAGE, resident]);
    batch.call("munmap", [page, PAGE]);
    return () => {
      if (!isLocked(asked)) return;
      const onFault = (resident.bytes[0]! & 1) === 0;
      task.mm.criu_wasm = { lock_later: MCL_FUTURE | (onFault ? MCL_ONFAULT : 0) };
    };
  },

  restoreTask: {
    content(task) {
      const locked = task.mm.vmas.filter((vma) => vma.flags & MAP_LOCKED && !isKernels(vma));
      task.inBatches(locked, (vma, batch) => lock(task, vma, batch));
    },
    process(task, batch) {
      const { lock_later } = task.mm.criu_wasm ?? {};
      if (lock_later) batch.call("mlockall", [lock_later]);
    },
  },
};
