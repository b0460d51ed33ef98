/*
 * Waits in one kind of system call until told to go, and says how often that call came back before. When
 * nobody disturbs it, and when it is frozen and let go on, that is never; after a restore, calls whose rest
 * of time the kernel keeps to itself may come back once with EINTR.
 */
#include <linux/futex.h>
#include <poll.h>
#include <sys/select.h>
#include <time.h>

#include "victim.h"

#define HOUR 3600

static const struct timespec hour = {.tv_sec = HOUR};
static uint32_t word;

static struct timespec in_an_hour(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_sec += HOUR;
  return time;
}

static long futex(int operation, const struct timespec *time) {
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, 0, time, NULL, FUTEX_BITSET_MATCH_ANY);
}

static long wait_once(const char *how) {
  struct timespec absolute = in_an_hour(CLOCK_MONOTONIC), rest = hour;
  sigset_t usr1 = set_of(SIGUSR1), none;
  sigemptyset(&none);
  if (strcmp(how, "pause") == 0) return pause();
  if (strcmp(how, "nanosleep") == 0) return nanosleep(&hour, &rest);
  if (strcmp(how, "clock_nanosleep") == 0) {
    /* Gives its error instead of setting errno. */
    return (errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &absolute, NULL)) ? -1 : 0;
  }
  if (strcmp(how, "poll") == 0) return poll(NULL, 0, HOUR * 1000);
  if (strcmp(how, "ppoll") == 0) return ppoll(NULL, 0, &hour, &none);
  if (strcmp(how, "select") == 0) return select(0, NULL, NULL, NULL, &(struct timeval){.tv_sec = HOUR});
  if (strcmp(how, "futex") == 0) return futex(FUTEX_WAIT, NULL);
  if (strcmp(how, "futex-timed") == 0) return futex(FUTEX_WAIT, &hour);
  if (strcmp(how, "futex-until") == 0) return futex(FUTEX_WAIT_BITSET, &absolute);
  if (strcmp(how, "sigtimedwait") == 0) return sigtimedwait(&usr1, NULL, &hour);
  if (strcmp(how, "sigwaitinfo") == 0) return sigwaitinfo(&usr1, NULL);
  CHECK(!"a kind of waiting");
  return 0;
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  let_go_interrupt();
  ready();
  for (int early = 0;;) {
    CHECK_EQUAL(wait_once(arguments[1]), -1);
    CHECK_EQUAL(errno, EINTR);
    if (told_to_go) break;
    say("came back early: %d\n", ++early);
  }
  return pass();
}
