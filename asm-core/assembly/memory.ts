/** A buffer for good, 16-byte aligned; memory grows as needed. Nothing is ever freed: allocate once, reuse. */
export function allocate(size: usize): usize {
  return heap.alloc(size);
}
