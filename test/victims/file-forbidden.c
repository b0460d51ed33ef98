/* Open, but no longer to be opened: the mode went to 0, the directory was closed, the user changed. */
#include "pattern.h"

int main(void) {
  need_root();
  CHECK(mkdir("closed", 0700) == 0);
  int fd = new_file("closed/file", 1, 1), reader = open("closed/file", O_RDONLY);
  CHECK(fchmod(fd, 0) == 0 && chmod("closed", 0) == 0);
  CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
  ready_and_wait();
  CHECK(open("closed/file", O_RDONLY) == -1 && errno == EACCES);
  char page[PAGE];
  CHECK(read(reader, page, PAGE) == PAGE && is_filled(page, PAGE, 1));
  CHECK(pwrite(fd, "x", 1, 0) == 1);
  return pass();
}
