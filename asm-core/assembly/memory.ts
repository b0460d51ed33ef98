import { INPUT_MARGIN } from "./pages/lz4";

/** A buffer for good, 16-byte aligned; memory grows as needed. Nothing is ever freed: allocate once, reuse. */
export function allocate(size: usize): usize {
  return heap.alloc(size + 2 * INPUT_MARGIN) + INPUT_MARGIN;
}
