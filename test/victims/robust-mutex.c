/* A thread holds a robust mutex and ends: the kernel must still know its list to tell the next one. */
#include "threads.h"

static pthread_mutex_t mutex;
static void *heads[2];

static void *list_head(void) {
  void *head;
  size_t length;
  CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0);
  return head;
}

static void lock_it(int i) {
  heads[i] = list_head();
  if (i == 0) CHECK(pthread_mutex_lock(&mutex) == 0);
}

static void end_with_it(int i) { CHECK(list_head() == heads[i]); }

int main(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  void *own = list_head();
  with_threads(2, lock_it, end_with_it);
  CHECK(list_head() == own);
  CHECK_EQUAL(pthread_mutex_lock(&mutex), EOWNERDEAD);
  CHECK(pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
  return pass();
}
