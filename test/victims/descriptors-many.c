/* 6,000 descriptors, with gaps, one at the highest number there can be, and none for standard input. */
#include <sys/resource.h>

#include "victim.h"

#define COUNT 6000

int main(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int source = open("file", O_RDWR | O_CREAT, 0644), highest = (int)limit.rlim_cur - 1;
  for (int i = 0; i < COUNT; i++) {
    char name[20];
    sprintf(name, "file%d", i % 50);
    int fd = i % 3 ? open(name, O_RDWR | O_CREAT, 0644) : dup(source);
    CHECK(fd >= 0);
    if (i % 7 == 0) close(fd - 1);
  }
  CHECK(dup3(source, highest, O_CLOEXEC) == highest && close(STDIN_FILENO) == 0);
  CHECK(lseek(source, 42, SEEK_SET) == 42);
  static struct stat before[2 * COUNT];
  for (int fd = 0; fd < 2 * COUNT; fd++) {
    if (fstat(fd, &before[fd]) != 0) before[fd].st_ino = 0;
  }
  ready_and_wait();
  for (int fd = 0; fd < 2 * COUNT; fd++) {
    struct stat now;
    if (fstat(fd, &now) != 0) now.st_ino = 0;
    CHECK_EQUAL(now.st_ino, before[fd].st_ino);
  }
  CHECK_EQUAL(lseek(highest, 0, SEEK_CUR), 42);
  CHECK_EQUAL(fcntl(highest, F_GETFD), FD_CLOEXEC);
  return pass();
}
