/* traced running|stopped: there is a debugger already. The debugger is the parent, which stays as it is. */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "proc.h"

static void be_debugger(pid_t child, int keeps_it_stopped) {
  sigset_t term = set_of(SIGTERM);
  int state, number;
  CHECK(ptrace(PTRACE_SEIZE, child, 0, 0) == 0);
  if (keeps_it_stopped) {
    CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0 && waitpid(child, &state, 0) == child);
    say("READY %d\n", child);
    sigwait(&term, &number);
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
  }
  while (waitpid(child, &state, 0) == child && WIFSTOPPED(state)) {
    CHECK(ptrace(PTRACE_CONT, child, 0, state >> 16 ? 0 : WSTOPSIG(state)) == 0);
  }
  _exit(0);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  int keeps_it_stopped = strcmp(arguments[1], "stopped") == 0;
  pid_t debugger = getpid(), child = fork();
  char tracer[16];
  CHECK(child >= 0);
  if (child > 0) be_debugger(child, keeps_it_stopped);
  sprintf(tracer, "\t%d", debugger);
  while (strcmp(status("TracerPid"), tracer) != 0) usleep(1000);
  if (!keeps_it_stopped) ready();
  await_go();
  CHECK_SAME_TEXT(status("TracerPid"), tracer);
  return pass();
}
