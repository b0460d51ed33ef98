/* O_PATH descriptors: of a file, a directory, a symbolic link itself, a device and a FIFO. */
#include "victim.h"

static const struct {
  const char *name;
  mode_t type;
} files[] = {
    {"file", S_IFREG}, {"directory", S_IFDIR}, {"link", S_IFLNK}, {"fifo", S_IFIFO}, {"/dev/null", S_IFCHR},
};

int main(void) {
  int fds[LENGTH(files)];
  CHECK(close(open("file", O_CREAT | O_WRONLY, 0)) == 0 && mkdir("directory", 0700) == 0);
  CHECK(symlink("to nothing", "link") == 0 && mkfifo("fifo", 0600) == 0);
  for (size_t i = 0; i < LENGTH(files); i++) {
    CHECK((fds[i] = open(files[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) >= 0);
  }
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(files); i++) {
    struct stat held, named;
    CHECK_EQUAL(fcntl(fds[i], F_GETFL) & (O_PATH | O_NOFOLLOW), O_PATH | O_NOFOLLOW);
    CHECK(fstat(fds[i], &held) == 0 && lstat(files[i].name, &named) == 0);
    CHECK_EQUAL(held.st_mode & S_IFMT, files[i].type);
    CHECK_EQUAL(held.st_ino, named.st_ino);
    CHECK(read(fds[i], &held, 1) == -1 && errno == EBADF);
  }
  char target[32] = {0};
  CHECK(readlinkat(fds[2], "", target, sizeof target) > 0);
  CHECK_SAME_TEXT(target, "to nothing");
  return pass();
}
