/* Sleeps that end by themselves are never short, however often they are interrupted: their rest is kept. */
#include <time.h>

#include "victim.h"

#define LONG_ENOUGH 20000000LL

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void) {
  struct timespec rest = {0};
  ready();
  for (sigset_t pending; sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM);) {
    struct timespec time = {.tv_nsec = LONG_ENOUGH};
    long long start = now();
    int result = nanosleep(&time, &rest);
    CHECK(result == 0 || errno == EINTR);
    if (result == 0) CHECK(now() - start >= LONG_ENOUGH);
  }
  return pass();
}
