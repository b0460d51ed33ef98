#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

#include "proc.h"

static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE,
                                   CLOCK_BOOTTIME, CLOCK_TAI,       CLOCK_MONOTONIC_COARSE,
                                   CLOCK_MONOTONIC_RAW};

static long long nanoseconds(struct timespec time) { return time.tv_sec * 1000000000LL + time.tv_nsec; }

/* With an argument, the kernel's vDSO need not be where it was afterwards. */
int main(int count, char **arguments) {
  (void)arguments;
  void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
  CHECK_SAME_TEXT(vma_at(vdso).path, "[vdso]");
  struct timespec before[LENGTH(clocks)], fast, slow;
  for (size_t i = 0; i < LENGTH(clocks); i++) CHECK(clock_gettime(clocks[i], &before[i]) == 0);

  ready_and_wait();
  for (size_t i = 0; i < LENGTH(clocks); i++) {
    CHECK(clock_gettime(clocks[i], &fast) == 0);
    CHECK(syscall(SYS_clock_gettime, clocks[i], &slow) == 0);
    CHECK(nanoseconds(fast) >= nanoseconds(before[i]));
    CHECK(nanoseconds(slow) >= nanoseconds(fast));
    CHECK(nanoseconds(slow) - nanoseconds(fast) < 60 * 1000000000LL);
  }
  struct timeval now;
  CHECK(gettimeofday(&now, NULL) == 0 && now.tv_sec >= before[0].tv_sec);
  CHECK(time(NULL) >= before[2].tv_sec); /* it gives the coarse clock */
  CHECK(sched_getcpu() >= 0);
  if (count == 1) CHECK_SAME_TEXT(vma_at(vdso).path, "[vdso]");
  CHECK_EQUAL(getauxval(AT_SYSINFO_EHDR), (unsigned long)vdso);
  return pass();
}
