/*
 * Thousands of pending signals, in order, more than the limit, which was lowered since; and one for whose siginfo
 * that left no room: it is from nobody.
 */
#include <sys/resource.h>
#include <time.h>

#include "victim.h"

#define QUEUED 6000

static sigset_t all;

static void queue(int number, int value) {
  CHECK(sigqueue(getpid(), number, (union sigval){.sival_int = value}) == 0);
}

static siginfo_t take(int number) {
  siginfo_t info;
  sigset_t set = set_of(number);
  struct timespec now = {0};
  CHECK_EQUAL(sigtimedwait(&set, &info, &now), number);
  return info;
}

int main(void) {
  struct rlimit limit, none;
  CHECK(getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  if (limit.rlim_cur < 2 * QUEUED) SKIP("RLIMIT_SIGPENDING is too low");
  sigfillset(&all);
  CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
  for (int i = 0; i < QUEUED; i++) queue(SIGRTMIN + i % 3, i);
  none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
  CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
  queue(SIGHUP, 5);

  ready_and_wait();
  CHECK(getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  CHECK_EQUAL(limit.rlim_cur, 0);
  CHECK_EQUAL(limit.rlim_max, none.rlim_max);
  for (int number = 0; number < 3; number++) {
    for (int i = number; i < QUEUED; i += 3) CHECK_EQUAL(take(SIGRTMIN + number).si_value.sival_int, i);
  }
  siginfo_t hangup = take(SIGHUP);
  CHECK_EQUAL(hangup.si_code, SI_USER);
  CHECK_EQUAL(hangup.si_pid, 0);
  sigset_t pending;
  CHECK(sigpending(&pending) == 0);
  for (int number = 1; number <= SIGRTMAX; number++) CHECK(sigismember(&pending, number) != 1);
  return pass();
}
