/* The wait is inside a handler, on its alternate stack: frame, mask and old registers come back by it. */
#include "victim.h"

static char stack[65536];
static volatile int depth, address_ok;

static void wait_inside(int number, siginfo_t *info, void *context) {
  stack_t now;
  char here;
  (void)context;
  if (++depth == 1) {
    /* Once more, in itself: SA_NODEFER. */
    CHECK(sigqueue(getpid(), number, (union sigval){.sival_int = 2}) == 0);
    CHECK_EQUAL(info->si_value.sival_int, 1);
    return;
  }
  CHECK_EQUAL(info->si_value.sival_int, 2);
  ready_and_wait();
  CHECK(sigaltstack(NULL, &now) == 0);
  CHECK_EQUAL(now.ss_flags, SS_ONSTACK);
  CHECK_EQUAL(info->si_value.sival_int, 2);
  CHECK_EQUAL(info->si_pid, getpid());
  address_ok = &here > stack && &here < stack + sizeof stack;
}

int main(void) {
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = wait_inside, .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_NODEFER};
  sigset_t before, after;
  sigaddset(&action.sa_mask, SIGUSR2);
  CHECK(sigaltstack(&alternate, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
  sigprocmask(SIG_SETMASK, NULL, &before);

  register unsigned long kept __asm__("r12") = 0x1234567890abcdef;
  __asm__ volatile("" : "+r"(kept));
  CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 1}) == 0);
  __asm__ volatile("" : "+r"(kept));
  CHECK_EQUAL(kept, 0x1234567890abcdef);
  CHECK_EQUAL(depth, 2);
  CHECK(address_ok);
  sigprocmask(SIG_SETMASK, NULL, &after);
  CHECK(memcmp(&before, &after, 8) == 0);
  return pass();
}
