#include <sched.h>

#include "rseq.h"
#include "threads.h"

static void move_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
}

static void set_up(int i) { (void)i; }

/* The kernel writes the number of the processor, and knows the registration when asked to end it. */
static void check(int i) {
  (void)i;
  cpu_set_t allowed;
  CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    move_to(cpu);
    CHECK_EQUAL(own_rseq()->cpu_id, cpu);
  }
  CHECK(syscall(SYS_rseq, own_rseq(), 32, RSEQ_FLAG_UNREGISTER, SIGNATURE) == 0);
  CHECK_EQUAL((int)own_rseq()->cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
}

int main(void) {
  if (!library_has_rseq()) SKIP("the C library does not use rseq");
  with_threads(3, set_up, check);
  check(-1);
  return pass();
}
