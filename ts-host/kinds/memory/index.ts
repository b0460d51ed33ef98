/**
 * Memory: the list of mappings, the content of what belongs to no file, and the numbers that the kernel keeps
 * about an address space (where heap, stack, arguments are; auxv; the program).
 *
 * Lost: which pages were resident but clean, and the content of memory that the kernel may drop at any time
 * (MAP_DROPPABLE).
 */
import type { Kind } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { UnsupportedError } from "../../errors.ts";
import { O_RDONLY } from "../../kernel/abi/fcntl.ts";
import { PR_SET_MM, PR_SET_MM_MAP, prctlMmMap } from "../../kernel/abi/prctl.ts";
import { Batch } from "../../remote/batch.ts";
import { openRegistered, registerExecutable } from "../files/mapped.ts";
import { fillAddressSpace, mapAddressSpace } from "./address-space.ts";
import { describeMappings } from "./mappings.ts";
import { dumpPrivatePages, StoppedMemory } from "./pages.ts";
import { Snapshot } from "./snapshot.ts";
import { is, VMA_ANON_SHARED } from "./vma.ts";
import { checkMemory } from "./well-formed.ts";

/** The words before AT_NULL, which images leave out. */
function withoutEnd(auxv: bigint[]): bigint[] {
  const end = auxv.findIndex((word, index) => index % 2 === 0 && word === 0n);
  return end < 0 ? auxv : auxv.slice(0, end);
}

/** PR_SET_MM_MAP: all the numbers at once, and the program, which must not be mapped any more by the seed's. */
function setMmMap(task: RestoreTask): void {
  const { mm } = task;
  const open = new Batch();
  const exe = openRegistered(task, open, mm.exe_file_id, O_RDONLY);
  task.run(open);

  const batch = new Batch();
  const auxv = new BigUint64Array([...mm.mm_saved_auxv, 0n, 0n]);
  const auxvData = batch.bytes(new Uint8Array(auxv.buffer));
  const map = batch.bytes(
    prctlMmMap.pack({
      start_code: mm.mm_start_code,
      end_code: mm.mm_end_code,
      start_data: mm.mm_start_data,
      end_data: mm.mm_end_data,
      start_brk: mm.mm_start_brk,
      brk: mm.mm_brk,
      start_stack: mm.mm_start_stack,
      arg_start: mm.mm_arg_start,
      arg_end: mm.mm_arg_end,
      env_start: mm.mm_env_start,
      env_end: mm.mm_env_end,
      auxv_size: auxv.byteLength,
      exe_fd: exe.result,
    }),
  );
  batch.pointer(map, prctlMmMap.offsets.auxv, auxvData);
  batch.call("prctl", [PR_SET_MM, PR_SET_MM_MAP, map, prctlMmMap.size, 0]);
  batch.call("close", [exe.result]);
  task.run(batch);
}

export const memory: Kind = {
  name: "memory",

  dumpTask(task, batch) {
    const stat = task.proc.stat();
    const vmas = describeMappings(task);
    const auxv = withoutEnd(task.proc.auxv());
    const exe = registerExecutable(task);
    const brk = batch.call("brk", [0]);
    return () => {
      Object.assign(task.mm, {
        mm_start_code: stat.startCode,
        mm_end_code: stat.endCode,
        mm_start_data: stat.startData,
        mm_end_data: stat.endData,
        mm_start_stack: stat.startStack,
        mm_start_brk: stat.startBrk,
        mm_brk: brk.ret,
        mm_arg_start: stat.argStart,
        mm_arg_end: stat.argEnd,
        mm_env_start: stat.envStart,
        mm_env_end: stat.envEnd,
        exe_file_id: exe,
        mm_saved_auxv: auxv,
        vmas,
      });
    };
  },

  dumpContent(task) {
    const vmas = task.mm.vmas!;
    const snapshot = task.options.leaveRunning ? Snapshot.take(task, vmas) : undefined;
    if (!snapshot) return dumpPrivatePages(task, vmas, new StoppedMemory(task));
    task.context.aftermath.add(() => snapshot.end());
    return () => dumpPrivatePages(task, vmas, snapshot);
  },

  restoreTask: {
    check(task) {
      if (task.mm.vmas.some((vma) => is(vma, VMA_ANON_SHARED))) {
        throw new UnsupportedError("shared memory without a record in memfd.img, as older CRIUs dumped it");
      }
      checkMemory(task);
    },
    memory: mapAddressSpace,
    content(task) {
      fillAddressSpace(task);
      setMmMap(task);
    },
  },
};
