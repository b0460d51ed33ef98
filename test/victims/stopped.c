/* Stopped by SIGSTOP; goes on with SIGCONT, which comes together with SIGTERM. */
#include "victim.h"

static volatile int continued;

static void on_continue(int signal_number) {
  (void)signal_number;
  continued++;
}

int main(void) {
  struct sigaction action = {.sa_handler = on_continue};
  CHECK(sigaction(SIGCONT, &action, NULL) == 0);
  ready();
  CHECK(raise(SIGSTOP) == 0);
  CHECK_EQUAL(continued, 1);
  await_go();
  CHECK_EQUAL(continued, 1);
  return pass();
}
