#include "pattern.h"
#include "proc.h"

#define SIZE (16 * PAGE)

int main(void) {
  char *start = sbrk(SIZE), *end = sbrk(0);
  CHECK(start != (void *)-1);
  CHECK(end == start + SIZE);
  fill(start, SIZE, 1);

  ready_and_wait();
  CHECK(sbrk(0) == end);
  CHECK(is_filled(start, SIZE, 1));
  CHECK(sbrk(SIZE) == end);
  CHECK(is_zero(end, SIZE));
  fill(end, SIZE, 2);
  CHECK(is_filled(start, SIZE, 1));
  CHECK(sbrk(-(intptr_t)SIZE) == end + SIZE);
  CHECK(!is_readable(end));
  CHECK_SAME_TEXT(vma_at(start).path, "[heap]");
  return pass();
}
