/** Segment descriptors of a thread: PTRACE_GET_THREAD_AREA, set_thread_area (asm/ldt.h). */

import { struct } from "./layout.ts";

/** The slots of the GDT that a thread may use for thread-local storage. */
export const GDT_ENTRY_TLS_MIN = 12;
export const GDT_ENTRY_TLS_MAX = 14;

/** As it lies in memory; the C structure has bit fields where this has `flags`. */
export const userDesc = struct("user_desc", {
  entry_number: "u32",
  base_addr: "u32",
  limit: "u32",
  flags: "u32",
});

/** A descriptor; `contents` takes two bits, high and low. The names are those of CRIU's message user_desc_t. */
export interface UserDesc {
  entry_number: number;
  base_addr: number;
  limit: number;
  seg_32bit: boolean;
  contents_h: boolean;
  contents_l: boolean;
  read_exec_only: boolean;
  limit_in_pages: boolean;
  seg_not_present: boolean;
  usable: boolean;
}

/** The bit fields from bit 0 on. */
const BITS = [
  "seg_32bit",
  "contents_l",
  "contents_h",
  "read_exec_only",
  "limit_in_pages",
  "seg_not_present",
  "usable",
] as const;

export function readUserDesc(bytes: Uint8Array): UserDesc {
  const { flags, ...rest } = userDesc.read(bytes);
  const bits = Object.fromEntries(BITS.map((name, bit) => [name, (flags & (1 << bit)) !== 0]));
  return { ...rest, ...bits } as UserDesc;
}

export function packUserDesc(desc: UserDesc): Uint8Array {
  const flags = BITS.reduce((sum, name, bit) => (desc[name] ? sum | (1 << bit) : sum), 0);
  const { entry_number, base_addr, limit } = desc;
  return userDesc.pack({ entry_number, base_addr, limit, flags });
}
