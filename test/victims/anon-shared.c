#include "pattern.h"
#include "proc.h"

#define PAGES 8

int main(void) {
  char *first = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  fill(first, PAGES * PAGE, 1);
  /* An old size of 0 maps the same pages of a shared mapping once more. */
  char *second = mremap(first + 2 * PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
  CHECK(second != MAP_FAILED);
  char *dev_zero = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, open("/dev/zero", O_RDWR | O_CLOEXEC));
  fill(dev_zero, PAGES * PAGE, 2);

  ready_and_wait();
  CHECK(is_filled(first, PAGES * PAGE, 1));
  CHECK(is_filled(dev_zero, PAGES * PAGE, 2));
  CHECK(memcmp(first + 2 * PAGE, second, 4 * PAGE) == 0);
  fill(second, 4 * PAGE, 3);
  CHECK(is_filled(first + 2 * PAGE, 4 * PAGE, 3));
  CHECK_SAME_TEXT(vma_at(first).perms, "rw-s");
  CHECK_SAME_TEXT(vma_at(second).perms, "rw-s");
  CHECK_EQUAL(vma_at(second).offset, vma_at(first).offset + 2 * PAGE);
  CHECK_EQUAL(first[PAGE - 1] = 7, 7);
  return pass();
}
