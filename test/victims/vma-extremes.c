/* Mappings as low and as high as the kernel allows, and one of 1 TiB with three pages in it. */
#include "pattern.h"
#include "proc.h"

#define HUGE_PAGES (1UL << 28)

static char *map_at(unsigned long address, size_t pages) {
  void *memory = mmap((void *)address, pages * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  return memory == (void *)address ? memory : NULL;
}

int main(void) {
  char *lowest = map_at(0x10000, 1), *low = map_at(0x10000000, 2), *highest = map_at(0x7ffffffff000 - PAGE, 1);
  CHECK(lowest && low && highest);
  char *sparse = map(HUGE_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  char *middle = sparse + HUGE_PAGES / 2 * PAGE, *last = sparse + (HUGE_PAGES - 1) * PAGE;
  char *places[] = {lowest, low, highest, sparse, middle, last};
  for (size_t i = 0; i < LENGTH(places); i++) fill(places[i], PAGE, i);

  ready_and_wait();
  for (size_t i = 0; i < LENGTH(places); i++) CHECK(is_filled(places[i], PAGE, i));
  CHECK_EQUAL(sparse[PAGE], 0);
  CHECK(has_vm_flag(sparse, "nr"));
  return pass();
}
