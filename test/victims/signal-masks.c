#include "threads.h"

static const uint64_t masks[] = {0, ~0ULL, 1ULL << (SIGTRAP - 1), 0xaaaaaaaa00000000, 1ULL << 63};
#define TERM (1ULL << (SIGTERM - 1))
/* Nobody can block these, nor can these threads let SIGTERM through. */
#define FIXED (1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1))

static void set_up(int i) {
  uint64_t mask = masks[i] | TERM;
  CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0);
}

static void check(int i) {
  uint64_t mask = 0;
  CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8) == 0);
  CHECK_EQUAL(mask, (masks[i] | TERM) & ~FIXED);
}

int main(void) {
  set_up(3);
  with_threads(LENGTH(masks), set_up, check);
  check(3);
  return pass();
}
