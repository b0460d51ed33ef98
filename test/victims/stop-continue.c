/* Its parent stops it and lets it go on without pause. */
#include "victim.h"

static volatile int continued;

static void on_continue(int number) {
  (void)number;
  continued++;
}

int main(void) {
  pid_t parent = getpid(), child = fork();
  CHECK(child >= 0);
  if (child > 0) {
    signal(SIGCHLD, SIG_IGN); /* no zombie is left */
    for (; kill(child, SIGSTOP) == 0; usleep(1500)) {
      usleep(1500);
      if (kill(child, SIGCONT) != 0) break;
      sigset_t pending;
      if (sigpending(&pending) == 0 && sigismember(&pending, SIGTERM)) break;
    }
    _exit(0);
  }
  struct sigaction action = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGCONT, &action, NULL) == 0);
  while (continued < 3) usleep(1000);
  ready_and_wait();
  while (getppid() == parent) usleep(1000);
  return pass();
}
