/**
 * What threads register with the kernel: robust futex lists and restartable sequences (linux/futex.h, linux/rseq.h).
 */

import { struct } from "./layout.ts";

export const RSEQ_FLAG_UNREGISTER = 1;

/** What set_robust_list takes; its `len` argument is 24. */
export const robustListHead = struct("robust_list_head", {
  list: "u64",
  futex_offset: "i64",
  list_op_pending: "u64",
});

/** The area that a thread registers; the fields up to here are 20 bytes, its registered size at least 32. */
export const rseq = struct("rseq", { cpu_id_start: "u32", cpu_id: "u32", rseq_cs: "u64", flags: "u32" }, 32);

/** A critical section: `start_ip` ≤ ip < `start_ip` + `post_commit_offset` is inside. */
export const rseqCs = struct("rseq_cs", {
  version: "u32",
  flags: "u32",
  start_ip: "u64",
  post_commit_offset: "u64",
  abort_ip: "u64",
});
