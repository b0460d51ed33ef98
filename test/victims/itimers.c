#include <sys/time.h>

#include "victim.h"

static const struct {
  int which;
  long value, interval;
} timers[] = {{ITIMER_REAL, 5000, 77}, {ITIMER_VIRTUAL, 6000, 88}, {ITIMER_PROF, 7000, 0}};

int main(void) {
  struct itimerval before[3], now;
  for (int i = 0; i < 3; i++) {
    struct itimerval timer = {{timers[i].interval, 123 + i}, {timers[i].value, 0}};
    CHECK(setitimer(timers[i].which, &timer, NULL) == 0);
  }
  for (int i = 0; i < 3; i++) CHECK(getitimer(timers[i].which, &before[i]) == 0);

  ready_and_wait();
  for (int i = 0; i < 3; i++) {
    CHECK(getitimer(timers[i].which, &now) == 0);
    CHECK_EQUAL(now.it_interval.tv_sec, timers[i].interval);
    CHECK(labs(now.it_interval.tv_usec - 123 - i) < 10000); /* the CPU ones may count in ticks */
    CHECK(now.it_value.tv_sec <= before[i].it_value.tv_sec + 1);
    CHECK(now.it_value.tv_sec > timers[i].value - 1000);
  }
  return pass();
}
