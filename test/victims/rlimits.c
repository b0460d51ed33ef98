/* Every limit with an odd soft value, where the hard one allows it; two hard limits lowered. */
#include <sys/resource.h>

#include "victim.h"

static void lower(int resource, struct rlimit *limit) {
  const rlim_t large = 0x123456789000 + (rlim_t)resource;
  CHECK(getrlimit(resource, limit) == 0);
  if (limit->rlim_max > large) {
    limit->rlim_cur = large;
  } else if (limit->rlim_max > 1) {
    limit->rlim_cur = limit->rlim_max - 1;
  }
  if (resource == RLIMIT_NOFILE || resource == RLIMIT_MSGQUEUE) limit->rlim_max -= limit->rlim_max / 8;
  if (limit->rlim_cur > limit->rlim_max) limit->rlim_cur = limit->rlim_max - 1;
  CHECK(setrlimit(resource, limit) == 0);
}

int main(void) {
  struct rlimit before[RLIM_NLIMITS], now;
  for (int i = 0; i < RLIM_NLIMITS; i++) lower(i, &before[i]);
  ready_and_wait();
  for (int i = 0; i < RLIM_NLIMITS; i++) {
    CHECK(getrlimit(i, &now) == 0);
    CHECK_EQUAL(now.rlim_cur, before[i].rlim_cur);
    CHECK_EQUAL(now.rlim_max, before[i].rlim_max);
  }
  return pass();
}
