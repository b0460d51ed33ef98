/** All features that a machine may have or lack. */
import { CriuWasmError } from "../errors.ts";
import { DESCRIPTOR_FEATURES } from "./descriptors.ts";
import type { Feature } from "./feature.ts";
import { MEMORY_FEATURES } from "./memory.ts";
import { SOCKET_FEATURES } from "./sockets.ts";
import { TASK_FEATURES } from "./tasks.ts";

export const FEATURES: readonly Feature[] = [
  ...TASK_FEATURES,
  ...MEMORY_FEATURES,
  ...DESCRIPTOR_FEATURES,
  ...SOCKET_FEATURES,
];

/** Without these nothing can be dumped or restored. */
export const REQUIRED: ReadonlySet<string> = new Set([
  "ptrace",
  "process_vm_readv",
  "clone3_set_tid",
  "kcmp",
  "pagemap_scan",
  "mm_map",
]);

/** Names of CRIU's for what is no feature of the machine but one of the program, and is not in this one. */
export const NOT_IN_THIS_PROGRAM: ReadonlySet<string> = new Set([
  "compat_cr",
  "external_net_ns",
  "network_lock_nftables",
  "nftables",
]);

/** Tries a feature. */
export function has(feature: Feature): boolean {
  try {
    return feature.isThere();
  } catch (error) {
    if (error instanceof CriuWasmError || (error as NodeJS.ErrnoException).code !== undefined) return false;
    throw error;
  }
}
