/* All actions as the kernel holds them, flags, mask and restorer included, whatever the C library thinks. */
#include "victim.h"

struct kernel_action {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

static void other_handler(int signal_number) { (void)signal_number; }

static long action_of(int number, const struct kernel_action *new, struct kernel_action *old) {
  return syscall(SYS_rt_sigaction, number, new, old, 8);
}

int main(void) {
  static const unsigned long flags[] = {
      SA_RESTART, SA_SIGINFO, SA_NODEFER, SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP, SA_NOCLDWAIT,
      0x800 /* SA_EXPOSE_TAGBITS */,
  };
  static void *const handlers[] = {(void *)SIG_DFL, (void *)SIG_IGN, (void *)other_handler};
  struct kernel_action before[65] = {0}, term;
  CHECK(action_of(SIGTERM, NULL, &term) == 0);
  for (int number = 1; number <= 64; number++) {
    struct kernel_action action = {
        .handler = handlers[number % 3],
        .flags = flags[number % 8] | flags[number / 8 % 8] | (term.flags & 0x04000000 /* SA_RESTORER */),
        .restorer = number % 4 == 0 ? (void *)0x123456 : term.restorer,
        .mask = 0x0123456789abcdefULL * (uint64_t)number,
    };
    if (number == SIGKILL || number == SIGSTOP || number == SIGTERM) continue;
    CHECK(action_of(number, &action, NULL) == 0);
  }
  for (int number = 1; number <= 64; number++) CHECK(action_of(number, NULL, &before[number]) == 0);

  ready_and_wait();
  for (int number = 1; number <= 64; number++) {
    struct kernel_action now = {0};
    CHECK(action_of(number, NULL, &now) == 0);
    CHECK_EQUAL(now.handler - before[number].handler, 0);
    CHECK_EQUAL(now.flags, before[number].flags);
    CHECK_EQUAL(now.restorer - before[number].restorer, 0);
    CHECK_EQUAL(now.mask, before[number].mask);
  }
  return pass();
}
