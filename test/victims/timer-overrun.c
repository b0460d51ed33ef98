/* A timer whose signal is blocked: it is pending, once, and how often it expired meanwhile is counted. */
#include <time.h>

#include "victim.h"

int main(void) {
  sigset_t set = set_of(SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
  event.sigev_value.sival_int = 5;
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec often = {{0, 1000000}, {0, 1000000}}, never = {0};
  CHECK(timer_settime(timer, 0, &often, NULL) == 0);
  usleep(30000);

  ready_and_wait();
  siginfo_t info;
  CHECK_EQUAL(sigwaitinfo(&set, &info), SIGRTMIN + 1);
  CHECK_EQUAL(info.si_code, SI_TIMER);
  CHECK_EQUAL(info.si_value.sival_int, 5);
  CHECK(info.si_overrun >= 20);
  CHECK(timer_getoverrun(timer) >= 20);
  CHECK_EQUAL(sigwaitinfo(&set, &info), SIGRTMIN + 1);
  CHECK(timer_settime(timer, 0, &never, NULL) == 0);
  return pass();
}
