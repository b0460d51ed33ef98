/* Syscall user dispatch: while the selector says so, every system call raises SIGSYS instead. */
#include <sys/prctl.h>

#include "victim.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

static char selector;
static volatile int dispatched;

static void on_dispatch(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  selector = 0;
  dispatched = info->si_syscall;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) != 0) {
    SKIP("the kernel has no syscall user dispatch");
  }
  ready_and_wait();
  selector = 1;
  getppid();
  CHECK_EQUAL(dispatched, SYS_getppid);
  return pass();
}
