/* A program in a memfd can be executed although it can be written to: through the descriptor of memfd_create. */
#include <sys/wait.h>

#include "victim.h"

int main(void) {
  static const char script[] = "#!/bin/true\n";
  int fd = memfd_create("program", 0);
  CHECK(fd >= 0 && write(fd, script, sizeof script - 1) == sizeof script - 1);
  CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);

  ready_and_wait();
  pid_t child = fork();
  if (child == 0) {
    static char *const arguments[] = {"program", NULL}, *const environment[] = {NULL};
    execveat(fd, "", arguments, environment, AT_EMPTY_PATH);
    _exit(errno);
  }
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK_EQUAL(status, 0);
  CHECK(pwrite(fd, script, 1, 0) == 1);
  return pass();
}
