/* Blocked signals that wait: for the process and for one thread, with values, in the order of their sending. */
#include "threads.h"

#define QUEUED 40
static sigset_t blocked;
static pid_t sender;

static void queue(int number, int value) {
  CHECK(sigqueue(getpid(), number, (union sigval){.sival_int = value}) == 0);
}

static void expect(int number, int code, int value) {
  siginfo_t info;
  struct timespec now = {0};
  sigset_t set = set_of(number);
  /* The C library's sigtimedwait makes SI_USER of SI_TKILL. */
  CHECK_EQUAL(syscall(SYS_rt_sigtimedwait, &set, &info, &now, 8), number);
  CHECK_EQUAL(info.si_code, code);
  CHECK_EQUAL(info.si_pid, sender);
  if (code == SI_QUEUE) CHECK_EQUAL(info.si_value.sival_int, value);
}

static void expect_none(int number) {
  struct timespec now = {0};
  sigset_t set = set_of(number);
  CHECK(sigtimedwait(&set, NULL, &now) == -1 && errno == EAGAIN);
}

static void send_to_self(int i) {
  siginfo_t info = {.si_code = SI_QUEUE};
  info.si_value.sival_int = 1000 + i;
  info.si_pid = getpid();
  CHECK(syscall(SYS_tgkill, getpid(), thread_id(), SIGUSR2) == 0);
  for (int n = 0; n < 3; n++, info.si_value.sival_int += 10) {
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_id(), SIGRTMIN + 5, &info) == 0);
  }
}

static void take_own(int i) {
  expect(SIGUSR2, SI_TKILL, 0);
  for (int n = 0; n < 3; n++) expect(SIGRTMIN + 5, SI_QUEUE, 1000 + i + 10 * n);
  expect_none(SIGUSR2);
  expect_none(SIGRTMIN + 5);
}

int main(void) {
  sender = getpid();
  sigfillset(&blocked);
  CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
  for (int i = 0; i < QUEUED; i++) queue(SIGRTMIN + i % 2, i);
  queue(SIGRTMAX, 99);
  CHECK(kill(sender, SIGUSR1) == 0 && kill(sender, SIGUSR1) == 0);
  queue(SIGHUP, 5);

  with_threads(3, send_to_self, take_own);
  for (int i = 0; i < QUEUED; i += 2) expect(SIGRTMIN, SI_QUEUE, i);
  for (int i = 1; i < QUEUED; i += 2) expect(SIGRTMIN + 1, SI_QUEUE, i);
  expect(SIGRTMAX, SI_QUEUE, 99);
  expect(SIGUSR1, SI_USER, 0);
  expect(SIGHUP, SI_QUEUE, 5);
  expect_none(SIGUSR1);
  expect_none(SIGRTMIN);
  return pass();
}
