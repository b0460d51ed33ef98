/* One attribute that is set by writing to a file of /proc/self: proc-attribute FILE VALUE. */
#include "proc.h"

int main(int count, char **arguments) {
  char path[64];
  CHECK(count == 3);
  sprintf(path, "/proc/self/%s", arguments[1]);
  char *original = slurp(path);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, arguments[2], strlen(arguments[2])) < 0) SKIP("not permitted");
  close(fd);
  char *before = slurp(path);
  CHECK(strcmp(before, original) != 0);
  ready_and_wait();
  CHECK_SAME_TEXT(slurp(path), before);
  return pass();
}
