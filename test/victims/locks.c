/* One lock of a kind: locks flock|posix|ofd|lease. Another process must not get it, before or after. */
#include <sys/file.h>
#include <sys/wait.h>

#include "pattern.h"

static struct flock range(void) { return (struct flock){.l_type = F_WRLCK, .l_start = 10, .l_len = 20}; }

static int is_held(const char *kind) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    int fd = open("file", O_RDWR | O_NONBLOCK);
    struct flock lock = range();
    if (strcmp(kind, "lease") == 0) _exit(fd == -1 && errno == EWOULDBLOCK);
    if (strcmp(kind, "flock") == 0) _exit(flock(fd, LOCK_EX | LOCK_NB) == -1);
    _exit(fcntl(fd, F_SETLK, &lock) == -1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return WEXITSTATUS(status);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  const char *kind = arguments[1];
  close(new_file("file", 1, 1));
  int is_lease = strcmp(kind, "lease") == 0, fd = open("file", is_lease ? O_RDONLY : O_RDWR);
  struct flock lock = range();
  if (strcmp(kind, "flock") == 0) CHECK(flock(fd, LOCK_EX) == 0);
  if (strcmp(kind, "posix") == 0) CHECK(fcntl(fd, F_SETLK, &lock) == 0);
  if (strcmp(kind, "ofd") == 0) CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0);
  if (is_lease) CHECK(fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
  signal(SIGIO, SIG_IGN); /* what a lease that is asked for sends */

  ready_and_wait();
  CHECK(is_held(kind));
  return pass();
}
