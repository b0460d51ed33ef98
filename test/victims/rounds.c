/*
 * Writes a number into page after page, over and over, the next number in each round: at any moment, the pages
 * from some place on are one round behind those before. Some of them are memory that a fork does not copy.
 */
#include <sys/wait.h>

#include "pattern.h"

#define PAGES 16384UL

static volatile uint64_t *pages;

static uint64_t *number_of(size_t page) { return (uint64_t *)pages + page * (PAGE / 8); }

int main(void) {
  pages = map_anonymous(PAGES);
  CHECK(madvise((void *)number_of(100), 50 * PAGE, MADV_DONTFORK) == 0);
  CHECK(madvise((void *)number_of(9000), 3 * PAGE, MADV_WIPEONFORK) == 0);
  CHECK(mprotect((void *)number_of(9001), PAGE, PROT_READ) == 0);
  uint64_t round = 1;
  for (size_t page = 0; page < PAGES; page++) {
    if (page != 9001) *(volatile uint64_t *)number_of(page) = round;
  }
  let_go_interrupt();
  ready();
  while (!told_to_go) {
    round++;
    for (size_t page = 0; page < PAGES && !told_to_go; page++) {
      if (page != 9001) *(volatile uint64_t *)number_of(page) = round;
    }
  }
  size_t page = 0;
  while (page < PAGES && (page == 9001 || *number_of(page) == round)) page++;
  for (size_t rest = page; rest < PAGES; rest++) {
    if (rest != 9001) CHECK_EQUAL(*number_of(rest), round - 1);
  }
  CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
  return pass();
}
