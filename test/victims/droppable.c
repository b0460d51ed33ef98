#include "pattern.h"
#include "proc.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

int main(void) {
  char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) SKIP("the kernel has no MAP_DROPPABLE");
  fill(memory, 2 * PAGE, 1);
  struct vma before = vma_at(memory);
  CHECK(strstr(before.flags, "dp"));

  ready_and_wait();
  CHECK_SAME_TEXT(vma_at(memory).flags, before.flags);
  CHECK(is_filled(memory, 2 * PAGE, 1) || is_zero(memory, 2 * PAGE));
  fill(memory, 2 * PAGE, 2);
  CHECK(is_filled(memory, 2 * PAGE, 2));
  return pass();
}
