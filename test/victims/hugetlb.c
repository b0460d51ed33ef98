#include "pattern.h"

#define HUGE (2UL << 20)

int main(void) {
  char *memory = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (memory == MAP_FAILED) SKIP("no huge pages are reserved (vm.nr_hugepages)");
  fill(memory, HUGE, 1);
  ready_and_wait();
  CHECK(is_filled(memory, HUGE, 1) && is_zero(memory + HUGE, HUGE));
  return pass();
}
