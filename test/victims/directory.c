/* An open directory, read half: the rest comes afterwards, and openat still works in it. */
#include <dirent.h>

#include "victim.h"

#define FILES 3000

static int count_entries(int fd, int limit) {
  char buffer[2048];
  int count = 0;
  for (long size; count < limit && (size = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < size; at += ((struct dirent64 *)(buffer + at))->d_reclen) count++;
  }
  return count;
}

int main(void) {
  CHECK(mkdir("directory", 0755) == 0);
  int fd = open("directory", O_RDONLY | O_DIRECTORY), whole = open("directory", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < FILES; i++) {
    char name[32];
    sprintf(name, "entry %d", i);
    close(openat(fd, name, O_CREAT | O_WRONLY, 0644));
  }
  int first = count_entries(fd, FILES / 2);
  off_t offset = lseek(fd, 0, SEEK_CUR);

  ready_and_wait();
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), offset);
  CHECK_EQUAL(first + count_entries(fd, 1 << 30), FILES + 2);
  CHECK_EQUAL(count_entries(whole, 1 << 30), FILES + 2);
  CHECK(openat(whole, "entry 7", O_RDONLY) >= 0);
  CHECK(fchdir(whole) == 0 && access("entry 8", F_OK) == 0);
  return pass();
}
