/* An interval timer and a POSIX timer that fire before, and go on firing after. */
#include <sys/time.h>
#include <time.h>

#include "victim.h"

static volatile int alarms, ticks;

static void count(int number, siginfo_t *info, void *context) {
  (void)context;
  if (number == SIGALRM) alarms++;
  if (number == SIGUSR1 && info->si_code == SI_TIMER && info->si_value.sival_int == 17) ticks++;
}

static void await_more(void) {
  const int enough_alarms = alarms + 3, enough_ticks = ticks + 3;
  while (alarms < enough_alarms || ticks < enough_ticks) pause();
}

int main(void) {
  struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 17};
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec often = {{0, 7000000}, {0, 7000000}};
  CHECK(timer_settime(timer, 0, &often, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 11000}, {0, 11000}}, NULL) == 0);
  await_more();

  ready_and_wait();
  await_more();
  return pass();
}
