#include "pattern.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
#define PAGES 16

int main(void) {
  char *memory = map_anonymous(PAGES);
  char *file = map(PAGES, PROT_READ, MAP_PRIVATE, new_file("mapped", PAGES, 2));
  fill(memory, PAGES * PAGE, 1);
  if (madvise(memory + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) != 0) SKIP("no MADV_GUARD_INSTALL");
  CHECK(madvise(memory + 9 * PAGE, PAGE, MADV_GUARD_INSTALL) == 0);
  int file_guarded = madvise(file + PAGE, PAGE, MADV_GUARD_INSTALL) == 0;

  ready_and_wait();
  for (int page = 0; page < PAGES; page++) {
    CHECK_EQUAL(is_readable(memory + page * PAGE), page != 4 && page != 5 && page != 9);
    CHECK_EQUAL(is_readable(file + page * PAGE), !(file_guarded && page == 1));
  }
  CHECK(madvise(memory, PAGES * PAGE, MADV_GUARD_REMOVE) == 0);
  CHECK(is_zero(memory + 4 * PAGE, 2 * PAGE));
  fill(memory + 4 * PAGE, 2 * PAGE, 1);
  CHECK(is_filled(memory, 4 * PAGE, 1));
  return pass();
}
