/** What an entry of a pagemap says, in images of any age. */
import type { PagemapEntry } from "../generated/messages.ts";

export const PE_PARENT = 1;
export const PE_LAZY = 2;
export const PE_PRESENT = 4;

/** Images of before CRIU 4.1 count pages in 32 bits. */
export function pagesOf(entry: PagemapEntry): bigint {
  return entry.nr_pages ?? BigInt(entry.compat_nr_pages);
}

/** Images of before CRIU 3.0 have no flags. */
export function flagsOf(entry: PagemapEntry): number {
  return entry.flags ?? (entry.in_parent ? PE_PARENT : PE_PRESENT);
}
