/* The name by which a file was opened is gone, or belongs to another file; it has another name still. */
#include "pattern.h"

int main(void) {
  int moved = new_file("first name", 1, 1), replaced = new_file("taken", 1, 2), renamed = new_file("old", 1, 3);
  CHECK(link("first name", "second name") == 0 && unlink("first name") == 0);
  CHECK(link("taken", "kept") == 0 && unlink("taken") == 0);
  close(new_file("taken", 2, 4));
  CHECK(rename("old", "new") == 0);

  ready_and_wait();
  static const char *names[] = {"second name", "kept", "new"};
  int fds[] = {moved, replaced, renamed};
  for (int i = 0; i < 3; i++) {
    struct stat held, named;
    CHECK(fstat(fds[i], &held) == 0 && stat(names[i], &named) == 0);
    CHECK_EQUAL(held.st_ino, named.st_ino);
    CHECK_EQUAL(held.st_nlink, 1);
    CHECK_EQUAL(held.st_size, PAGE);
  }
  CHECK(access("first name", F_OK) == -1 && access("old", F_OK) == -1);
  return pass();
}
