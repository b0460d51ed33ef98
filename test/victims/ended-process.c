/* A descriptor and a current directory that lead into /proc of a process that has ended. */
#include "victim.h"
#include <sys/wait.h>

static void check_gone(int directory) {
  char path[64];
  CHECK(getcwd(path, sizeof path) == NULL);
  CHECK_EQUAL(errno, ENOENT);
  CHECK(openat(directory, "status", O_RDONLY) == -1);
  CHECK(errno == ENOENT || errno == ESRCH);
}

int main(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  char path[64], link[64], name[64];
  snprintf(path, sizeof path, "/proc/%d", child);
  CHECK(chdir(path) == 0);
  int directory = open("fdinfo", O_RDONLY | O_DIRECTORY);
  CHECK(directory >= 0);
  CHECK(kill(child, SIGKILL) == 0);
  CHECK_EQUAL(waitpid(child, NULL, 0), child);
  check_gone(directory);
  snprintf(name, sizeof name, "/proc/self/fd/%d", directory);

  ready_and_wait();

  check_gone(directory);
  ssize_t length = readlink(name, link, sizeof link - 1);
  CHECK(length > 0);
  link[length] = 0;
  CHECK(strncmp(link, path, strlen(path)) == 0);
  return pass();
}
