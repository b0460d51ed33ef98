/* pthread_join afterwards also shows that clear_child_tid is where it was. */
#include "pattern.h"
#include "threads.h"

#define THREADS 20

static __thread char pattern[PAGE + 8];
static __thread int mine = -1;
static pid_t ids[THREADS];
static pthread_t handles[THREADS];

static void set_up(int i) {
  mine = i;
  fill(pattern, sizeof pattern, i);
  ids[i] = thread_id();
  handles[i] = pthread_self();
}

static void check(int i) {
  CHECK_EQUAL(mine, i);
  CHECK(is_filled(pattern, sizeof pattern, i));
  CHECK_EQUAL(thread_id(), ids[i]);
  CHECK(pthread_equal(pthread_self(), handles[i]));
}

static void *double_it(void *value) { return (void *)(2 * (intptr_t)value); }

int main(void) {
  with_threads(THREADS, set_up, check);
  CHECK_EQUAL(mine, -1);
  pthread_t later;
  void *result;
  CHECK(pthread_create(&later, NULL, double_it, (void *)21) == 0 && pthread_join(later, &result) == 0);
  CHECK_EQUAL((intptr_t)result, 42);
  return pass();
}
