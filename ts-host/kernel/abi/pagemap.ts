/** /proc/PID/pagemap: the words that it is made of, and PAGEMAP_SCAN (linux/fs.h, admin-guide/mm/pagemap.rst). */

import { _IOWR } from "./ioctl.ts";
import { type LayoutValue, struct } from "./layout.ts";

/** Bits of the 64-bit word of a page. The frame number reads as 0 without CAP_SYS_ADMIN. */
export const PAGEMAP_FRAME_MASK = 0x7f_ffff_ffff_ffffn;
export const PAGEMAP_SOFT_DIRTY = 1n << 55n;
export const PAGEMAP_EXCLUSIVE = 1n << 56n;
export const PAGEMAP_UFFD_WP = 1n << 57n;
export const PAGEMAP_GUARD = 1n << 58n;
export const PAGEMAP_FILE_OR_SHARED = 1n << 61n;
export const PAGEMAP_SWAPPED = 1n << 62n;
export const PAGEMAP_PRESENT = 1n << 63n;

/** Categories of pages. */
export const PAGE_IS_WPALLOWED = 1;
export const PAGE_IS_WRITTEN = 2;
export const PAGE_IS_FILE = 4;
export const PAGE_IS_PRESENT = 8;
export const PAGE_IS_SWAPPED = 16;
export const PAGE_IS_PFNZERO = 32;
export const PAGE_IS_HUGE = 64;
export const PAGE_IS_SOFT_DIRTY = 128;
export const PAGE_IS_GUARD = 256;

/** Write-protect the pages that matched. */
export const PM_SCAN_WP_MATCHING = 1;
/** Stop at a mapping that is not registered for asynchronous write-protection. */
export const PM_SCAN_CHECK_WPASYNC = 2;

/** Argument of PAGEMAP_SCAN: `size` is 96, `vec` points to `vec_len` page_region; the kernel sets `walk_end`. */
export const pmScanArg = struct("pm_scan_arg", {
  size: "u64",
  flags: "u64",
  start: "u64",
  end: "u64",
  walk_end: "u64",
  vec: "u64",
  vec_len: "u64",
  max_pages: "u64",
  category_inverted: "u64",
  category_mask: "u64",
  category_anyof_mask: "u64",
  return_mask: "u64",
});

export const pageRegion = struct("page_region", { start: "u64", end: "u64", categories: "u64" });
export type PageRegion = LayoutValue<typeof pageRegion>;

export const PAGEMAP_SCAN = _IOWR("f".charCodeAt(0), 16, pmScanArg.size);
