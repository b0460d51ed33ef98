/**
 * Scatter and gather lists (linux/uio.h).
 */

import { struct } from "./layout.ts";

export const iovec = struct("iovec", { iov_base: "u64", iov_len: "u64" });
