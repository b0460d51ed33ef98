/* Kernel ids with gaps, all kinds of clocks and notification, armed and not; as the kernel sees them. */
#include <time.h>

#include "proc.h"

#define RT_MIN 34 /* of the C libraries: SIGRTMIN is no constant */
#define RT_MAX 64

static const struct {
  clockid_t clock;
  int notify, number;
  time_t value, interval;
} kinds[] = {
    {CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 1000, 0},
    {CLOCK_MONOTONIC, SIGEV_NONE, 0, 2000, 20},
    {-1, 0, 0, 0, 0}, /* made and deleted: a gap */
    {CLOCK_MONOTONIC, SIGEV_THREAD_ID, RT_MIN + 3, 3000, 30},
    {CLOCK_BOOTTIME, SIGEV_SIGNAL, RT_MAX, 0, 0},
    {-1, 0, 0, 0, 0},
    {-1, 0, 0, 0, 0},
    {CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR2, 4000, 0},
    {CLOCK_TAI, SIGEV_SIGNAL, SIGUSR2, 5000, 50},
};
static int ids[LENGTH(kinds)];

static void create(size_t i) {
  struct sigevent event = {.sigev_notify = kinds[i].notify, .sigev_signo = kinds[i].number};
  event.sigev_value.sival_ptr = (void *)(0x123456789abcdef0 + i);
  event._sigev_un._tid = getpid();
  clockid_t clock = kinds[i].clock == -1 ? CLOCK_MONOTONIC : kinds[i].clock;
  CHECK(syscall(SYS_timer_create, clock, kinds[i].clock == -1 ? NULL : &event, &ids[i]) == 0);
  struct itimerspec time = {{kinds[i].interval, 5}, {kinds[i].value, 0}};
  if (kinds[i].value) CHECK(syscall(SYS_timer_settime, ids[i], 0, &time, NULL) == 0);
}

int main(void) {
  for (size_t i = 0; i < LENGTH(kinds); i++) create(i);
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    if (kinds[i].clock == -1) CHECK(syscall(SYS_timer_delete, ids[i]) == 0);
  }
  char *before = slurp("/proc/self/timers");

  ready_and_wait();
  CHECK_SAME_TEXT(slurp("/proc/self/timers"), before);
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    struct itimerspec now;
    long result = syscall(SYS_timer_gettime, ids[i], &now);
    CHECK_EQUAL(result, kinds[i].clock == -1 ? -1 : 0);
    if (result == -1) continue;
    CHECK_EQUAL(now.it_interval.tv_sec, kinds[i].value ? kinds[i].interval : 0);
    CHECK(now.it_value.tv_sec <= kinds[i].value && now.it_value.tv_sec >= kinds[i].value - 900);
    CHECK_EQUAL(now.it_value.tv_sec > 0, kinds[i].value > 0);
  }
  return pass();
}
