#include "pattern.h"
#include "proc.h"

#define SPACE (4UL << 20)

/* Goes down `pages` pages of stack, and gives a value that depends on each of them. */
__attribute__((noinline)) static unsigned long descend(unsigned pages) {
  volatile char page[PAGE];
  page[0] = (char)pages;
  return pages == 0 ? 0 : descend(pages - 1) + (unsigned char)page[0];
}

static unsigned long sum(unsigned pages) {
  unsigned long total = 0;
  for (; pages > 0; pages--) total += (unsigned char)pages;
  return total;
}

int main(void) {
  CHECK_EQUAL(descend(64), sum(64));
  char *space = mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *top = space + SPACE;
  CHECK(munmap(space, SPACE) == 0);
  char *growing = mmap(top - 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(growing == top - 4 * PAGE);
  for (int page = 1; page <= 16; page++) fill(top - page * PAGE, PAGE, page);

  ready_and_wait();
  CHECK(has_vm_flag(top - 1, "gd"));
  for (int page = 1; page <= 16; page++) CHECK(is_filled(top - page * PAGE, PAGE, page));
  for (int page = 17; page <= 64; page++) fill(top - page * PAGE, PAGE, page);
  CHECK_EQUAL(vma_at(top - 1).end - vma_at(top - 1).start, 64 * PAGE);

  CHECK_SAME_TEXT(vma_at(&space).path, "[stack]");
  CHECK_EQUAL(descend(1024), sum(1024));
  return pass();
}
