/* Few timers with ids far apart, as many were made and deleted in between. */
#include <time.h>

#include "proc.h"

#define MADE 20000

int main(void) {
  int id;
  for (int i = 0; i < MADE; i++) {
    struct sigevent event = {.sigev_notify = SIGEV_NONE, .sigev_value.sival_int = i};
    CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0);
    if (i % 7919 != 0) CHECK(syscall(SYS_timer_delete, id) == 0);
  }
  char *before = slurp("/proc/self/timers");

  ready_and_wait();
  CHECK_SAME_TEXT(slurp("/proc/self/timers"), before);
  return pass();
}
