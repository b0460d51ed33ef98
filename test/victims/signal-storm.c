/* A thread queues numbered signals to main without pause: main misses none and sees none twice. */
#include <pthread.h>

#include "victim.h"

static volatile int expected, stopping;
static volatile int sent;

static void count(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  CHECK_EQUAL(info->si_value.sival_int, expected);
  expected++;
}

static void *send_all(void *main_thread) {
  while (!stopping) {
    if (pthread_sigqueue(*(pthread_t *)main_thread, SIGRTMIN, (union sigval){.sival_int = sent}) == 0) sent++;
    if (sent - expected > 100) usleep(100);
  }
  return NULL;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
  pthread_t thread, self = pthread_self();
  CHECK(pthread_create(&thread, NULL, send_all, &self) == 0);
  while (expected < 100) usleep(100);
  ready_and_wait();
  stopping = 1;
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_EQUAL(expected, sent);
  return pass();
}
