/* Moved, grown, shrunk and punched mappings: their file offsets no longer say where they once were. */
#include "pattern.h"
#include "proc.h"

#define PAGES 16

int main(void) {
  char *private = map_anonymous(PAGES);
  char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  char *file = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, new_file("mapped", PAGES, 3));
  char *original = malloc(PAGES * PAGE);
  memcpy(original, file, PAGES * PAGE);
  fill(private, PAGES * PAGE, 1);
  fill(shared, PAGES * PAGE, 2);
  fill(file + 10 * PAGE, PAGE, 4);

  char *target = map(3 * PAGES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  private = mremap(private, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  CHECK(private == target);
  shared = mremap(shared + 4 * PAGE, 8 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 32 * PAGE);
  CHECK(shared != MAP_FAILED);
  file = mremap(file + 8 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 40 * PAGE);
  CHECK(file != MAP_FAILED);
  CHECK(munmap(private + 3 * PAGE, 2 * PAGE) == 0);

  ready_and_wait();
  CHECK(is_filled(private, 3 * PAGE, 1));
  for (int page = 0; page < PAGES; page++) {
    CHECK_EQUAL(is_readable(private + page * PAGE), page != 3 && page != 4);
  }
  CHECK(is_zero(private + PAGES * PAGE, PAGES * PAGE));
  CHECK_EQUAL(vma_at(shared).offset, 4 * PAGE);
  CHECK_EQUAL(vma_at(file).offset, 8 * PAGE);
  CHECK(memcmp(file, original + 8 * PAGE, 2 * PAGE) == 0);
  CHECK(is_filled(file + 2 * PAGE, PAGE, 4));
  CHECK(memcmp(file + 3 * PAGE, original + 11 * PAGE, PAGE) == 0);
  fill(original, PAGES * PAGE, 2);
  CHECK(memcmp(shared, original + 4 * PAGE, 6 * PAGE) == 0);
  return pass();
}
