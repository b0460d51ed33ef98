/* About 200 threads, each of which makes its successor and ends after a moment. */
#include <pthread.h>

#include "victim.h"

#define CHAINS 200

static int stopping, chains_left = CHAINS;
static long born, ended;

static void *live_shortly(void *seed);

static void make_successor(long seed) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 65536);
  __atomic_add_fetch(&born, 1, __ATOMIC_SEQ_CST);
  CHECK(pthread_create(&thread, &attributes, live_shortly, (void *)seed) == 0);
}

static void *live_shortly(void *seed) {
  unsigned state = (unsigned)(long)seed;
  usleep((useconds_t)rand_r(&state) % 50000);
  __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&stopping, __ATOMIC_SEQ_CST)) {
    __atomic_sub_fetch(&chains_left, 1, __ATOMIC_SEQ_CST);
  } else {
    make_successor((long)state);
  }
  return NULL;
}

int main(void) {
  for (long chain = 0; chain < CHAINS; chain++) make_successor(chain);
  ready_and_wait();
  __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&chains_left, __ATOMIC_SEQ_CST) > 0) usleep(1000);
  CHECK_EQUAL(born, ended);
  CHECK(born >= CHAINS);
  return pass();
}
