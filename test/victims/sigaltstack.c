#pragma GCC diagnostic ignored "-Wdangling-pointer"
#include "threads.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define SIZE 65536

static char stacks[4][SIZE];
static __thread char *used;

static void note_stack(int signal_number) {
  char local = (char)signal_number;
  used = &local;
}

static int flags_of(int i) { return i % 2 ? (int)SS_AUTODISARM : 0; }

static void set_up(int i) {
  stack_t stack = {.ss_sp = stacks[i], .ss_size = SIZE - 256 * (size_t)i, .ss_flags = flags_of(i)};
  CHECK(sigaltstack(&stack, NULL) == 0);
}

static void check(int i) {
  stack_t now;
  CHECK(sigaltstack(NULL, &now) == 0);
  CHECK_EQUAL((char *)now.ss_sp - stacks[i], 0);
  CHECK_EQUAL(now.ss_size, SIZE - 256 * i);
  CHECK_EQUAL(now.ss_flags, flags_of(i));
  CHECK(raise(SIGUSR1) == 0);
  CHECK(used > stacks[i] && used < stacks[i] + SIZE);
}

int main(void) {
  struct sigaction action = {.sa_handler = note_stack, .sa_flags = SA_ONSTACK};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  set_up(3);
  with_threads(2, set_up, check);
  check(3);
  return pass();
}
