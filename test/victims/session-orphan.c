/* A member, not the leader, of a session and a process group whose leader has ended. */
#include "victim.h"

int main(void) {
  pid_t session = getsid(0), group = getpgid(0), child = fork();
  CHECK(child >= 0);
  if (child > 0) _exit(0);
  while (getppid() == session) usleep(1000);
  ready_and_wait();
  CHECK_EQUAL(getsid(0), session);
  CHECK_EQUAL(getpgid(0), group);
  return pass();
}
