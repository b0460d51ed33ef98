#include "victim.h"

int main(void) {
  char path[4096];
  CHECK(mkdir("gone", 0755) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
  ready_and_wait();
  CHECK(getcwd(path, sizeof path) == NULL && errno == ENOENT);
  CHECK(open("file", O_CREAT | O_WRONLY, 0644) == -1 && errno == ENOENT);
  memset(path, 0, sizeof path);
  CHECK(readlink("/proc/self/cwd", path, sizeof path - 1) > 0);
  CHECK(strstr(path, "/gone (deleted)"));
  return pass();
}
