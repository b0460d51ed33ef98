/* Pages that read as zero in four ways, among pages that do not. */
#include "pattern.h"

#define PAGES 64

int main(void) {
  char *private = map_anonymous(PAGES);
  char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  char *memories[] = {private, shared};
  for (int i = 0; i < 2; i++) {
    for (int page = 0; page < PAGES; page++) {
      char *start = memories[i] + page * PAGE;
      if (page % 5 == 1) CHECK(is_zero(start, PAGE));
      if (page % 5 == 2) memset(start, 0, PAGE);
      if (page % 5 == 3) fill(start, PAGE, page);
      if (page % 5 == 4) {
        fill(start, PAGE, page);
        CHECK(madvise(start, PAGE, i == 0 ? MADV_DONTNEED : MADV_REMOVE) == 0);
      }
    }
    memories[i][PAGES / 2 * PAGE - 1] = 1;
  }
  ready_and_wait();
  for (int i = 0; i < 2; i++) {
    CHECK_EQUAL(memories[i][PAGES / 2 * PAGE - 1], 1);
    memories[i][PAGES / 2 * PAGE - 1] = 0;
    for (int page = 0; page < PAGES; page++) {
      char *start = memories[i] + page * PAGE;
      CHECK(page % 5 == 3 ? is_filled(start, PAGE, page) : is_zero(start, PAGE));
    }
  }
  return pass();
}
