/* Threads that each set up something, wait in a futex, and check it once the victim is told to go. */
#pragma once

#include <pthread.h>

#include "victim.h"

static pthread_barrier_t all_set_up, all_told;
static void (*set_up_thread)(int), (*check_thread)(int);

static inline pid_t thread_id(void) { return (pid_t)syscall(SYS_gettid); }

static inline void *run_thread(void *index) {
  set_up_thread((int)(intptr_t)index);
  pthread_barrier_wait(&all_set_up);
  pthread_barrier_wait(&all_told);
  check_thread((int)(intptr_t)index);
  return index;
}

/* Runs `set_up` and `check` in `count` threads, besides main, with the wait of main in between. */
static inline void with_threads(int count, void (*set_up)(int), void (*check)(int)) {
  pthread_t threads[count];
  set_up_thread = set_up, check_thread = check;
  pthread_barrier_init(&all_set_up, NULL, count + 1);
  pthread_barrier_init(&all_told, NULL, count + 1);
  for (intptr_t i = 0; i < count; i++) CHECK(pthread_create(&threads[i], NULL, run_thread, (void *)i) == 0);
  pthread_barrier_wait(&all_set_up);
  ready_and_wait();
  pthread_barrier_wait(&all_told);
  for (int i = 0; i < count; i++) {
    void *result;
    CHECK(pthread_join(threads[i], &result) == 0);
    CHECK_EQUAL((intptr_t)result, i);
  }
}
