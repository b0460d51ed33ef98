/* The root is a directory that holds nothing of what the program consists of; the current one is in it. */
#include "victim.h"

int main(void) {
  need_root();
  struct stat root, now;
  CHECK(mkdir("root", 0755) == 0 && mkdir("root/inner", 0755) == 0);
  CHECK(chroot("root") == 0 && chdir("/inner") == 0);
  int fd = open("/file", O_CREAT | O_RDWR, 0644);
  CHECK(fd >= 0 && write(fd, "content", 7) == 7 && stat("/", &root) == 0);

  ready_and_wait();
  char path[100];
  CHECK(stat("/", &now) == 0);
  CHECK_EQUAL(now.st_ino, root.st_ino);
  CHECK(getcwd(path, sizeof path));
  CHECK_SAME_TEXT(path, "/inner");
  CHECK(access("/proc", F_OK) == -1 && access("../file", F_OK) == 0);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 7);
  return pass();
}
