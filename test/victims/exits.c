/* exits MICROSECONDS: ends by itself so soon after it was ready that it may end in the middle of anything. */
#include <pthread.h>

#include "victim.h"

static void *sleep_for_ever(void *unused) {
  pause();
  return unused;
}

int main(int count, char **arguments) {
  pthread_t thread;
  CHECK(count == 2);
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0);
  ready();
  usleep((useconds_t)atoi(arguments[1]));
  return pass();
}
