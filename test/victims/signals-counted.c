/* Counts the signals that it handles and sees which ones pend; for a test that sends them while it is frozen. */
#include "victim.h"

static const int handled[] = {SIGURG, SIGWINCH, SIGCHLD, SIGTRAP, SIGIO, SIGUSR1, SIGCONT};
static volatile int counts[65];

static void count(int number) { counts[number]++; }

int main(void) {
  sigset_t usr2 = set_of(SIGUSR2), pending;
  for (size_t i = 0; i < LENGTH(handled); i++) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    CHECK(sigaction(handled[i], &action, NULL) == 0);
  }
  CHECK(sigprocmask(SIG_BLOCK, &usr2, NULL) == 0);
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(handled); i++) say("got %d: %d\n", handled[i], counts[handled[i]]);
  CHECK(sigpending(&pending) == 0);
  say("pending %d: %d\n", SIGUSR2, sigismember(&pending, SIGUSR2));
  return pass();
}
