/* SIGTRAP, which may be needed to freeze the victim, in its own use: ignored, handled, blocked or pending. */
#include "victim.h"

static volatile int traps;

static void on_trap(int signal_number) {
  (void)signal_number;
  traps++;
}

int main(int count, char **arguments) {
  (void)count;
  const char *how = arguments[1];
  struct sigaction action = {.sa_handler = on_trap, .sa_flags = SA_RESTART}, now;
  if (strcmp(how, "ignored") == 0) action.sa_handler = SIG_IGN;
  sigset_t trap = set_of(SIGTRAP), mask, pending;
  const int is_pending = strcmp(how, "pending") == 0, is_blocked = is_pending || strcmp(how, "blocked") == 0;
  CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
  if (is_blocked) sigprocmask(SIG_BLOCK, &trap, NULL);
  if (is_pending) CHECK(sigqueue(getpid(), SIGTRAP, (union sigval){.sival_int = 7}) == 0);

  ready_and_wait();
  CHECK_EQUAL(traps, 0);
  CHECK(sigaction(SIGTRAP, NULL, &now) == 0);
  CHECK(now.sa_handler == action.sa_handler);
  CHECK_EQUAL(now.sa_flags & SA_RESTART, SA_RESTART);
  sigprocmask(SIG_SETMASK, NULL, &mask);
  CHECK_EQUAL(sigismember(&mask, SIGTRAP), is_blocked);
  CHECK(sigpending(&pending) == 0);
  CHECK_EQUAL(sigismember(&pending, SIGTRAP), is_pending);
  if (is_pending) {
    siginfo_t info;
    CHECK_EQUAL(sigwaitinfo(&trap, &info), SIGTRAP);
    CHECK_EQUAL(info.si_value.sival_int, 7);
    CHECK_EQUAL(info.si_code, SI_QUEUE);
  }
  sigprocmask(SIG_UNBLOCK, &trap, NULL);
  __asm__ volatile("nop");
  CHECK(kill(getpid(), SIGTRAP) == 0);
  CHECK_EQUAL(traps, action.sa_handler == on_trap);
  return pass();
}
