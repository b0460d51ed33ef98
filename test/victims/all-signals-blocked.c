/* Even the signal to go is only seen as pending. */
#include "victim.h"

int main(void) {
  sigset_t all, now, pending;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
  ready();
  do {
    usleep(2000);
    CHECK(sigpending(&pending) == 0);
  } while (!sigismember(&pending, SIGTERM));
  CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0);
  for (int number = 1; number <= 64; number++) {
    if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33) continue;
    CHECK(sigismember(&now, number) == 1);
    CHECK_EQUAL(sigismember(&pending, number), number == SIGTERM);
  }
  return pass();
}
