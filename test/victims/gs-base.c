#include <asm/prctl.h>

#include "threads.h"

static uint64_t areas[4][2];

static uint64_t read_gs(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:8, %0" : "=r"(value));
  return value;
}

static void set_up(int i) {
  areas[i][1] = 1000 + (uint64_t)i;
  CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, areas[i]) == 0);
}

static void check(int i) {
  uint64_t base = 0;
  CHECK_EQUAL(read_gs(), 1000 + i);
  CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0);
  CHECK_EQUAL(base, (uint64_t)areas[i]);
}

int main(void) {
  set_up(3);
  with_threads(3, set_up, check);
  check(3);
  return pass();
}
