#include "pattern.h"

static const int flags[] = {
    O_RDONLY,
    O_WRONLY,
    O_RDWR,
    O_WRONLY | O_APPEND,
    O_RDWR | O_NONBLOCK,
    O_RDWR | O_DSYNC,
    O_RDWR | O_SYNC,
    O_RDONLY | O_NOATIME,
    O_RDWR | O_DIRECT,
    O_WRONLY | O_TRUNC | O_CREAT | O_NOCTTY, /* these act only once */
    O_RDONLY | O_NOFOLLOW,
};

int main(void) {
  int fds[LENGTH(flags)], before[LENGTH(flags)];
  for (size_t i = 0; i < LENGTH(flags); i++) {
    char name[20];
    sprintf(name, "file%zu", i);
    close(new_file(name, 2, i));
    fds[i] = open(name, flags[i] | (i % 2 ? O_CLOEXEC : 0), 0644);
    if (fds[i] < 0) fds[i] = open(name, 0); /* no O_DIRECT on this file system */
    before[i] = fcntl(fds[i], F_GETFL);
    if (flags[i] & O_TRUNC) CHECK(write(fds[i], "kept", 4) == 4);
  }
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(flags); i++) {
    struct stat file;
    CHECK_EQUAL(fcntl(fds[i], F_GETFL), before[i]);
    CHECK_EQUAL(fcntl(fds[i], F_GETFD), i % 2 ? FD_CLOEXEC : 0);
    CHECK(fstat(fds[i], &file) == 0);
    CHECK_EQUAL(file.st_size, flags[i] & O_TRUNC ? 4 : 2 * PAGE);
  }
  CHECK(write(fds[3], "x", 1) == 1);
  CHECK_EQUAL(lseek(fds[3], 0, SEEK_CUR), 2 * PAGE + 1);
  return pass();
}
