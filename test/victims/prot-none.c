#include "pattern.h"
#include "proc.h"

/* So many that they take the way of much memory. */
#define PAGES 6000

int main(void) {
  char *private = map_anonymous(PAGES);
  char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  char *untouched = map(PAGES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  fill(private, PAGES * PAGE, 1);
  fill(shared, PAGES * PAGE, 2);
  CHECK(mprotect(private + 2 * PAGE, 4 * PAGE, PROT_NONE) == 0);
  CHECK(mprotect(shared, PAGES * PAGE, PROT_NONE) == 0);

  ready_and_wait();
  CHECK(!is_readable(private + 2 * PAGE) && !is_readable(shared) && !is_readable(untouched));
  CHECK(is_readable(private) && is_readable(private + 6 * PAGE));
  CHECK_SAME_TEXT(vma_at(private + 2 * PAGE).perms, "---p");
  CHECK_SAME_TEXT(vma_at(shared).perms, "---s");
  CHECK(mprotect(private, PAGES * PAGE, PROT_READ) == 0);
  CHECK(mprotect(shared, PAGES * PAGE, PROT_READ) == 0);
  CHECK(mprotect(untouched, PAGES * PAGE, PROT_READ) == 0);
  CHECK(is_filled(private, PAGES * PAGE, 1));
  CHECK(is_filled(shared, PAGES * PAGE, 2));
  CHECK(is_zero(untouched, PAGES * PAGE));
  return pass();
}
