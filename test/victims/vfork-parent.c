/* The parent of a vfork cannot be stopped before its child lets it go: who waits for that waits for long. */
#include <sys/prctl.h>

#include "proc.h"

static int parent_has_pending_term(pid_t parent) {
  char path[64];
  sprintf(path, "/proc/%d/status", parent);
  char *text = slurp(path), *line = strstr(text, "ShdPnd:");
  unsigned long pending = strtoul(line + 7, NULL, 16);
  free(text);
  return pending >> (SIGTERM - 1) & 1;
}

int main(void) {
  const pid_t parent = getpid();
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    say("READY %d\n", parent);
    while (!parent_has_pending_term(parent)) usleep(2000);
    _exit(0);
  }
  await_go();
  return pass();
}
