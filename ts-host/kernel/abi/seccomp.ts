/**
 * seccomp (linux/seccomp.h, linux/filter.h).
 */

import { struct } from "./layout.ts";

export const SECCOMP_MODE_DISABLED = 0;
export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;
export const SECCOMP_SET_MODE_STRICT = 0;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const SECCOMP_FILTER_FLAG_LOG = 2;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
export const SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16;
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32;

/** Longest program of a filter, in instructions. */
export const BPF_MAXINSNS = 4096;
export const BPF_RET = 6;
export const BPF_K = 0;
export const SECCOMP_RET_ACTION_FULL = 0xffff0000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;

/** An instruction of a filter's program. */
export const sockFilter = struct("sock_filter", { code: "u16", jt: "u8", jf: "u8", k: "u32" });

/** A program of `len` instructions of 8 bytes at `filter`. */
export const sockFprog = struct("sock_fprog", { len: "u16", filter: "u64" });
