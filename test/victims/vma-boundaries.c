/* Neighbours that the kernel merged, neighbours that it keeps apart, and a mapping cut into many. */
#include "pattern.h"
#include "proc.h"

#define CUTS 2000

int main(void) {
  char *space = map(2 * CUTS + 64, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, rw = PROT_READ | PROT_WRITE;
  char *merged = space, *apart = space + 8 * PAGE, *comb = space + 16 * PAGE;
  CHECK(mmap(merged, 2 * PAGE, rw, fixed, -1, 0) == merged);
  CHECK(mmap(merged + 2 * PAGE, 2 * PAGE, rw, fixed, -1, 0) == merged + 2 * PAGE);
  fill(merged, 4 * PAGE, 1);
  /* Two objects of shared memory side by side, equal in everything else. */
  for (int i = 0; i < 2; i++) {
    char *half = apart + i * 2 * PAGE;
    CHECK(mmap(half, 2 * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == half);
    fill(half, 2 * PAGE, 2 + i);
  }
  for (int i = 0; i < CUTS; i++) {
    CHECK(mprotect(comb + 2 * i * PAGE, PAGE, rw) == 0);
    memset(comb + 2 * i * PAGE, i, PAGE);
  }
  ready_and_wait();
  CHECK(is_filled(merged, 4 * PAGE, 1));
  CHECK(mprotect(merged, 4 * PAGE, PROT_READ) == 0);
  CHECK(munmap(merged + PAGE, 2 * PAGE) == 0 && is_readable(merged + 3 * PAGE) && !is_readable(merged + PAGE));
  CHECK(is_filled(apart, 2 * PAGE, 2) && is_filled(apart + 2 * PAGE, 2 * PAGE, 3));
  CHECK(mremap(apart, 0, PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
  for (int i = 0; i < CUTS; i++) {
    CHECK_EQUAL((unsigned char)comb[2 * i * PAGE + 99], (unsigned char)i);
    CHECK(!is_readable(comb + (2 * i + 1) * PAGE));
  }
  return pass();
}
