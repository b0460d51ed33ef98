/* How often hourly timers had expired when their signal was taken, or would have, when it still waits. */
#include <time.h>

#include "victim.h"

#define TAKEN (SIGRTMIN + 1)
#define OF_THREAD (SIGRTMIN + 2)
#define WAITING (SIGRTMIN + 3)
#define HOUR 3600
#define MISSED 30

/* A timer that was due, for the first time, 30 hours and a half ago. */
static int hourly(int notify, int number) {
  struct sigevent event = {.sigev_notify = notify, .sigev_signo = number};
  event._sigev_un._tid = getpid();
  struct itimerspec time = {.it_interval.tv_sec = HOUR};
  int id;
  CHECK(syscall(SYS_timer_create, CLOCK_REALTIME, &event, &id) == 0);
  clock_gettime(CLOCK_REALTIME, &time.it_value);
  time.it_value.tv_sec -= MISSED * HOUR + HOUR / 2;
  CHECK(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &time, NULL) == 0);
  return id;
}

static int missed(int number) {
  siginfo_t info;
  sigset_t set = set_of(number);
  CHECK_EQUAL(sigwaitinfo(&set, &info), number);
  CHECK_EQUAL(info.si_code, SI_TIMER);
  return info.si_overrun;
}

static void check_left(int id) {
  struct itimerspec now;
  CHECK(syscall(SYS_timer_gettime, id, &now) == 0);
  CHECK_EQUAL(now.it_interval.tv_sec, HOUR);
  CHECK(now.it_value.tv_sec <= HOUR / 2 && now.it_value.tv_sec > HOUR / 4);
}

int main(void) {
  sigset_t all, pending;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
  const int taken = hourly(SIGEV_SIGNAL, TAKEN), of_thread = hourly(SIGEV_THREAD_ID, OF_THREAD);
  CHECK_EQUAL(missed(TAKEN), MISSED);
  CHECK_EQUAL(missed(OF_THREAD), MISSED);
  const int waiting = hourly(SIGEV_SIGNAL, WAITING);

  ready_and_wait();
  CHECK(sigpending(&pending) == 0);
  CHECK(!sigismember(&pending, TAKEN) && !sigismember(&pending, OF_THREAD));
  CHECK_EQUAL(syscall(SYS_timer_getoverrun, taken), MISSED);
  CHECK_EQUAL(syscall(SYS_timer_getoverrun, of_thread), MISSED);
  check_left(waiting);
  CHECK_EQUAL(missed(WAITING), MISSED);
  CHECK_EQUAL(syscall(SYS_timer_getoverrun, waiting), MISSED);
  check_left(taken);
  check_left(of_thread);
  check_left(waiting);
  return pass();
}
