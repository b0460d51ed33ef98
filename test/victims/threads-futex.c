/* 100 threads that fight over one mutex, and hand a turn round by a condition. */
#include <pthread.h>

#include "victim.h"

#define THREADS 100

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long total, turn, own[THREADS];
static int stopping;

static void *fight(void *index) {
  long i = (long)index;
  pthread_mutex_lock(&mutex);
  while (!stopping) {
    total++;
    own[i]++;
    if (i % 10 == 0 && turn % 10 == i / 10) {
      turn++;
      pthread_cond_broadcast(&changed);
    } else if (i % 10 == 0) {
      pthread_cond_wait(&changed, &mutex);
      continue;
    }
    pthread_mutex_unlock(&mutex);
    sched_yield();
    pthread_mutex_lock(&mutex);
  }
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, fight, (void *)i) == 0);
  ready_and_wait();
  pthread_mutex_lock(&mutex);
  long before = turn;
  while (turn < before + 10) pthread_cond_wait(&changed, &mutex);
  stopping = 1;
  pthread_mutex_unlock(&mutex);
  for (long i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    total -= own[i];
  }
  CHECK_EQUAL(total, 0);
  return pass();
}
