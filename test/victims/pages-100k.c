#include "pattern.h"

#define PAGES 100000UL

int main(void) {
  char *memory = map_anonymous(PAGES);
  for (unsigned long page = 0; page < PAGES; page++) {
    uint64_t *words = (uint64_t *)(memory + page * PAGE);
    words[0] = page;
    words[511] = ~page * 0x9e3779b97f4a7c15ULL;
  }
  ready_and_wait();
  for (unsigned long page = 0; page < PAGES; page++) {
    uint64_t *words = (uint64_t *)(memory + page * PAGE);
    CHECK_EQUAL(words[0], page);
    CHECK_EQUAL(words[511], ~page * 0x9e3779b97f4a7c15ULL);
    CHECK(is_zero(words + 1, 64) && is_zero(words + 503, 64));
  }
  return pass();
}
