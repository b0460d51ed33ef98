/* What is to be dumped has ended, and its parent does not care. */
#include <sys/wait.h>

#include "victim.h"

int main(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(5);
  siginfo_t info;
  CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  say("READY %d\n", child);
  await_go();
  int state;
  CHECK(waitpid(child, &state, 0) == child);
  CHECK_EQUAL(WEXITSTATUS(state), 5);
  return pass();
}
