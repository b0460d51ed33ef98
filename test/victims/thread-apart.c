/* thread-apart files|fs|namespace: a thread that stopped sharing something that threads commonly share. */
#include <sched.h>

#include "threads.h"

static const char *kind;
static int fd;

static void set_up(int i) {
  (void)i;
  if (strcmp(kind, "files") == 0) {
    CHECK(unshare(CLONE_FILES) == 0 && (fd = open("private", O_RDWR | O_CREAT, 0600)) > 0);
  }
  if (strcmp(kind, "fs") == 0) {
    CHECK(unshare(CLONE_FS) == 0 && mkdir("below", 0755) == 0 && chdir("below") == 0);
  }
  if (strcmp(kind, "namespace") == 0 && unshare(CLONE_NEWUTS) != 0) SKIP("not allowed to make namespaces");
}

static void check(int i) {
  (void)i;
  struct stat own, of_process;
  if (strcmp(kind, "files") == 0) CHECK(fcntl(fd, F_GETFD) == 0);
  if (strcmp(kind, "fs") == 0) CHECK(access("../below", F_OK) == 0);
  if (strcmp(kind, "namespace") == 0) {
    CHECK(stat("/proc/thread-self/ns/uts", &own) == 0 && stat("/proc/self/ns/uts", &of_process) == 0);
    CHECK(own.st_ino != of_process.st_ino);
  }
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  kind = arguments[1];
  with_threads(1, set_up, check);
  if (strcmp(kind, "files") == 0) CHECK(fcntl(fd, F_GETFD) == -1);
  if (strcmp(kind, "fs") == 0) CHECK(access("below", F_OK) == 0);
  return pass();
}
