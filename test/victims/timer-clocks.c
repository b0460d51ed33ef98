/*
 * Timers on the CPU time of one thread. "own": the only thread's; "named": another thread's, by its id;
 * "unnamed": of one thread among several, of which the kernel does not say which it is.
 */
#include <time.h>

#include "threads.h"

static const char *how;
static int timer;

static void create(clockid_t clock) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct itimerspec time = {{60, 0}, {3600, 0}};
  CHECK(syscall(SYS_timer_create, clock, &event, &timer) == 0);
  CHECK(syscall(SYS_timer_settime, timer, 0, &time, NULL) == 0);
}

static void set_up(int i) {
  clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
  (void)i;
  if (strcmp(how, "named") == 0) CHECK(pthread_getcpuclockid(pthread_self(), &clock) == 0);
  create(clock);
}

/* Burns CPU time of the thread, which the timer counts. */
static void check(int i) {
  struct itimerspec before, now;
  (void)i;
  CHECK(syscall(SYS_timer_gettime, timer, &before) == 0);
  CHECK_EQUAL(before.it_interval.tv_sec, 60);
  CHECK(before.it_value.tv_sec > 3000 && before.it_value.tv_sec <= 3600);
  do CHECK(syscall(SYS_timer_gettime, timer, &now) == 0);
  while (now.it_value.tv_sec == before.it_value.tv_sec && now.it_value.tv_nsec == before.it_value.tv_nsec);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  how = arguments[1];
  if (strcmp(how, "own") == 0) {
    set_up(0);
    ready_and_wait();
    check(0);
  } else {
    with_threads(1, set_up, check);
  }
  return pass();
}
