#include <sched.h>

#include "victim.h"

struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

int main(void) {
  struct attributes now, wanted = {.size = sizeof wanted, .policy = 6 /* SCHED_DEADLINE */};
  wanted.runtime = 1000000, wanted.deadline = 10000000, wanted.period = 50000000;
  if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) SKIP("deadline scheduling is not permitted");
  ready_and_wait();
  CHECK(syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) == 0);
  CHECK_EQUAL(now.policy, 6);
  CHECK_EQUAL(now.runtime, 1000000);
  CHECK_EQUAL(now.deadline, 10000000);
  CHECK_EQUAL(now.period, 50000000);
  return pass();
}
