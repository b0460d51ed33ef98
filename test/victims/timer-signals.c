/*
 * Timers that have expired and whose signals wait: among queued ones of the same number, for one thread, of CPU
 * time, and of timers that were deleted or set anew since. Each comes once and in its place.
 */
#include <time.h>

#include "victim.h"

#define FIRST (SIGRTMIN + 1)
#define THREAD_ONLY (SIGRTMIN + 2)
#define CPU (SIGRTMIN + 3)
#define DELETED (SIGRTMIN + 4)
#define ANEW (SIGRTMIN + 5)
#define PROBE (SIGRTMIN + 6)
#define DAY (24 * 3600)

/* A new timer with an id as the kernel gives it, which has expired, and has sent its signal. */
static int expired(clockid_t clock, int notify, int number, int value, time_t interval) {
  struct sigevent event = {.sigev_notify = notify, .sigev_signo = number, .sigev_value.sival_int = value};
  struct itimerspec soon = {{interval, 0}, {0, 1000}};
  int id;
  event._sigev_un._tid = getpid();
  CHECK(syscall(SYS_timer_create, clock, &event, &id) == 0);
  CHECK(syscall(SYS_timer_settime, id, 0, &soon, NULL) == 0);
  for (struct itimerspec now = soon; now.it_value.tv_sec == 0 && now.it_value.tv_nsec != 0;) {
    CHECK(syscall(SYS_timer_gettime, id, &now) == 0);
  }
  for (int pending = 0; !pending;) {
    sigset_t set;
    CHECK(sigpending(&set) == 0);
    pending = sigismember(&set, number);
  }
  return id;
}

/* The value of the next signal with this number; 0 for none. */
static int take(int number, int code) {
  siginfo_t info;
  sigset_t set = set_of(number);
  struct timespec now = {0};
  if (sigtimedwait(&set, &info, &now) != number) return 0;
  CHECK_EQUAL(info.si_code, code);
  return info.si_value.sival_int;
}

static int deleted(int number) {
  int id = expired(CLOCK_MONOTONIC, SIGEV_SIGNAL, number, 7, 0);
  CHECK(syscall(SYS_timer_delete, id) == 0);
  return id;
}

int main(void) {
  sigset_t all;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
  deleted(PROBE);
  const int comes_when_deleted = take(PROBE, SI_TIMER);

  expired(CLOCK_REALTIME, SIGEV_SIGNAL, FIRST, 1, 0);
  CHECK(sigqueue(getpid(), FIRST, (union sigval){.sival_int = 2}) == 0);
  const int daily = expired(CLOCK_MONOTONIC, SIGEV_SIGNAL, FIRST, 3, DAY);
  CHECK(sigqueue(getpid(), FIRST, (union sigval){.sival_int = 4}) == 0);
  expired(CLOCK_BOOTTIME, SIGEV_THREAD_ID, THREAD_ONLY, 5, 0);
  expired(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, CPU, 6, 0);
  deleted(DELETED);
  const int anew = expired(CLOCK_MONOTONIC, SIGEV_SIGNAL, ANEW, 8, 0);
  CHECK(syscall(SYS_timer_settime, anew, 0, &(struct itimerspec){{0, 0}, {DAY, 0}}, NULL) == 0);

  ready_and_wait();
  CHECK_EQUAL(take(FIRST, SI_TIMER), 1);
  CHECK_EQUAL(take(FIRST, SI_QUEUE), 2);
  CHECK_EQUAL(take(FIRST, SI_TIMER), 3);
  CHECK_EQUAL(take(FIRST, SI_QUEUE), 4);
  CHECK_EQUAL(take(FIRST, 0), 0);
  CHECK_EQUAL(take(THREAD_ONLY, SI_TIMER), 5);
  CHECK_EQUAL(take(THREAD_ONLY, 0), 0);
  CHECK_EQUAL(take(CPU, SI_TIMER), 6);
  CHECK_EQUAL(take(CPU, 0), 0);
  CHECK_EQUAL(take(DELETED, SI_TIMER), comes_when_deleted);
  CHECK_EQUAL(take(ANEW, SI_TIMER) != 0, comes_when_deleted != 0);
  struct itimerspec now;
  CHECK(syscall(SYS_timer_gettime, daily, &now) == 0);
  CHECK_EQUAL(now.it_interval.tv_sec, DAY);
  CHECK(now.it_value.tv_sec > DAY - 3600 && now.it_value.tv_sec <= DAY);
  CHECK(syscall(SYS_timer_gettime, anew, &now) == 0);
  CHECK(now.it_value.tv_sec > DAY - 3600 && now.it_value.tv_sec <= DAY);
  return pass();
}
