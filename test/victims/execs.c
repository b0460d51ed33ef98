/*
 * execs leader|thread|crowd: becomes itself again and again, by main or by another thread, which then is main;
 * with a crowd, while there are many threads that the kernel ends first.
 */
#include <pthread.h>

#include "victim.h"

static char **own_arguments;

static void *exec_again(void *unused) {
  char turn[16];
  sprintf(turn, "%d", atoi(own_arguments[2]) + 1);
  execl("/proc/self/exe", own_arguments[0], own_arguments[1], turn, NULL);
  CHECK(!"exec works");
  return unused;
}

static void *idle(void *unused) {
  for (;;) pause();
  return unused;
}

int main(int count, char **arguments) {
  if (count == 2) execl("/proc/self/exe", arguments[0], arguments[1], "0", NULL);
  CHECK(count == 3);
  own_arguments = arguments;
  if (strcmp(arguments[2], "0") == 0) ready();
  /* Blocked and pending signals outlive an exec. */
  sigset_t pending;
  CHECK(sigpending(&pending) == 0);
  if (sigismember(&pending, SIGTERM)) return pass();
  usleep(500);
  if (strcmp(arguments[1], "leader") == 0) exec_again(NULL);
  pthread_t thread;
  for (int i = 0; i < 20 && strcmp(arguments[1], "crowd") == 0; i++) {
    CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
  }
  CHECK(pthread_create(&thread, NULL, exec_again, NULL) == 0);
  for (;;) pause();
}
