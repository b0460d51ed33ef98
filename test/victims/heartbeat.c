/* Says how long it was out at most, as it has seen itself: `gap MICROSECONDS`. For measuring. */
#include <time.h>

#include "victim.h"

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

int main(void) {
  long long largest = 0, last;
  let_go_interrupt();
  ready();
  last = now();
  while (!told_to_go) {
    long long time = now();
    if (time - last > largest) largest = time - last;
    last = time;
  }
  say("gap %lld\n", largest);
  return pass();
}
