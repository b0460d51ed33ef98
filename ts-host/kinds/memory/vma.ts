/** What CRIU's mm image says of a mapping beyond mmap's own flags (field `status` of vma_entry). */
import type { VmaEntry } from "../../generated/messages.ts";
import { MAP_ANONYMOUS, MAP_DROPPABLE, MAP_LOCKED, MAP_PRIVATE, MAP_TYPE } from "../../kernel/abi/mman.ts";

export const VMA_REGULAR = 1 << 0;
export const VMA_STACK = 1 << 1;
export const VMA_VSYSCALL = 1 << 2;
export const VMA_VDSO = 1 << 3;
export const VMA_HEAP = 1 << 5;
export const VMA_FILE_PRIVATE = 1 << 6;
export const VMA_FILE_SHARED = 1 << 7;
export const VMA_ANON_SHARED = 1 << 8;
export const VMA_ANON_PRIVATE = 1 << 9;
export const VMA_SYSVIPC = 1 << 10;
export const VMA_SOCKET = 1 << 11;
export const VMA_VVAR = 1 << 12;
export const VMA_AIORING = 1 << 13;
export const VMA_MEMFD = 1 << 14;
export const VMA_SHADOW_STACK = 1 << 15;
/** Not a mapping: a range of guard pages in the mappings before it in the list. */
export const VMA_GUARD = 1 << 16;

export function is(vma: VmaEntry, status: number): boolean {
  return (vma.status & status) !== 0;
}

/** The kernel's own mappings: vDSO, its data, vsyscall. */
export function isKernels(vma: VmaEntry): boolean {
  return is(vma, VMA_VDSO | VMA_VVAR | VMA_VSYSCALL);
}

export function isPrivate(vma: VmaEntry): boolean {
  return is(vma, VMA_ANON_PRIVATE | VMA_FILE_PRIVATE);
}

/** Whether the kernel may drop its pages at any time. */
export function isDroppable({ flags }: VmaEntry): boolean {
  return (flags & MAP_TYPE) === MAP_DROPPABLE;
}

/** Whether CRIU would let these pages be fetched on first use. */
export function canBeLazy(vma: VmaEntry): boolean {
  const wanted = MAP_ANONYMOUS | MAP_PRIVATE;
  return (vma.flags & wanted) === wanted && (vma.flags & MAP_LOCKED) === 0 && !isKernels(vma);
}
