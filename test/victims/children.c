/* children running|stopped|zombie|vm: a child, also one that shares the memory. */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

static const char *kind;
static char stack[65536];

static int be_child(void *unused) {
  (void)unused;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (strcmp(kind, "zombie") == 0) _exit(3);
  if (strcmp(kind, "stopped") == 0) raise(SIGSTOP);
  for (;;) pause();
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  kind = arguments[1];
  const int share = strcmp(kind, "vm") == 0 ? CLONE_VM : 0, is_zombie = strcmp(kind, "zombie") == 0;
  pid_t child = clone(be_child, stack + sizeof stack, SIGCHLD | share, NULL);
  siginfo_t info;
  CHECK(child > 0);
  if (is_zombie) CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  if (strcmp(kind, "stopped") == 0) CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) == 0);

  ready_and_wait();
  int status;
  CHECK_EQUAL(waitpid(child, &status, WNOHANG), is_zombie ? child : 0);
  if (is_zombie) {
    CHECK_EQUAL(WEXITSTATUS(status), 3);
  } else {
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
  }
  return pass();
}
