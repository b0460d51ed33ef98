/* The program runs from a file that has no name any more. */
#include <sys/sendfile.h>

#include "proc.h"

#define COPY "copy of the program"

int main(int count, char **arguments) {
  (void)arguments;
  if (count == 1) {
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(COPY, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    CHECK(sendfile(out, in, NULL, 1 << 30) > 0);
    close(out);
    execl(COPY, COPY, "deleted", NULL);
    CHECK(!"exec works");
  }
  CHECK(unlink(COPY) == 0);
  struct stat before, after;
  char target[4096] = {0};
  CHECK(stat("/proc/self/exe", &before) == 0);

  ready_and_wait();
  CHECK(stat("/proc/self/exe", &after) == 0);
  CHECK_EQUAL(after.st_size, before.st_size);
  CHECK_EQUAL(after.st_mode, before.st_mode);
  CHECK_EQUAL(after.st_nlink, 0);
  CHECK(readlink("/proc/self/exe", target, sizeof target - 1) > 0);
  CHECK(strstr(target, "(deleted)"));
  CHECK(access(COPY, F_OK) == -1);
  CHECK(strstr(vma_at((void *)main).path, "(deleted)"));
  return pass();
}
