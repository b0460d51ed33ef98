/* Files without any name, whose old one belongs to a file or a directory, or is in a directory that is gone. */
#include "pattern.h"

int main(void) {
  CHECK(mkdir("folder", 0755) == 0);
  int fds[] = {new_file("by file", 1, 0), new_file("by folder", 1, 1), new_file("folder/file", 1, 2),
               open(".", O_RDWR | O_TMPFILE, 0600), open("folder", O_RDONLY | O_DIRECTORY)};
  CHECK(unlink("by file") == 0 && unlink("by folder") == 0);
  CHECK(unlink("folder/file") == 0 && rmdir("folder") == 0);
  close(new_file("by file", 2, 9));
  CHECK(mkdir("by folder", 0755) == 0);
  CHECK(fds[3] >= 0 && write(fds[3], "never named", 11) == 11);

  ready_and_wait();
  for (int i = 0; i < 3; i++) {
    char page[PAGE];
    struct stat file;
    CHECK(pread(fds[i], page, PAGE, 0) == PAGE && is_filled(page, PAGE, i));
    CHECK(fstat(fds[i], &file) == 0);
    CHECK_EQUAL(file.st_nlink, 0);
  }
  char text[12] = {0};
  CHECK(pread(fds[3], text, 11, 0) == 11);
  CHECK_SAME_TEXT(text, "never named");
  CHECK(openat(fds[4], "x", O_CREAT | O_WRONLY, 0600) == -1 && errno == ENOENT);
  struct stat named;
  CHECK(stat("by file", &named) == 0);
  CHECK_EQUAL(named.st_size, 2 * PAGE);
  CHECK(access("folder", F_OK) == -1 && stat("by folder", &named) == 0 && S_ISDIR(named.st_mode));
  return pass();
}
