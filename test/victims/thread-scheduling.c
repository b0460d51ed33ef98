/* Policy, priority, nice value, affinity, slack and I/O priority of each thread. */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "threads.h"

struct attributes { /* of sched_setattr, as of its first version */
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

static const struct attributes wanted[] = {
    {.policy = SCHED_OTHER, .nice = -7},
    {.policy = SCHED_BATCH, .nice = 5},
    {.policy = SCHED_IDLE},
    {.policy = SCHED_FIFO, .priority = 1},
    {.policy = SCHED_RR, .priority = 42},
    {.policy = SCHED_OTHER, .nice = 19, .flags = 1 /* SCHED_FLAG_RESET_ON_FORK */},
};

static void set_up(int i) {
  struct attributes attributes = wanted[i];
  attributes.size = sizeof attributes;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) SKIP("not allowed to set scheduling policies");
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  if (i % 2) CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
  CHECK(prctl(PR_SET_TIMERSLACK, 70000 + i) == 0);
  CHECK(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 2 << 13 | i) == 0);
}

static void check(int i) {
  struct attributes now = {0};
  CHECK(syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) == 0);
  CHECK_EQUAL(now.policy, wanted[i].policy);
  CHECK_EQUAL(now.priority, wanted[i].priority);
  CHECK_EQUAL(now.flags, wanted[i].flags);
  if (!wanted[i].priority) CHECK_EQUAL(getpriority(PRIO_PROCESS, (id_t)thread_id()), wanted[i].nice);
  cpu_set_t set;
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
  if (i % 2) CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
  int slack = prctl(PR_GET_TIMERSLACK);
  CHECK_EQUAL(slack, wanted[i].priority ? slack : 70000 + i);
  CHECK_EQUAL(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | i);
}

int main(void) {
  with_threads(LENGTH(wanted), set_up, check);
  return pass();
}
