/* A file without a name: content and holes, mode, owner, times; one opening by dup, two of their own. */
#include "pattern.h"

#define HOLE (64UL << 20)

int main(void) {
  int fd = new_file("ghost", 4, 1), duplicate = dup(fd), reader = open("ghost", O_RDONLY);
  char page[PAGE];
  fill(page, PAGE, 2);
  CHECK(pwrite(fd, page, PAGE, HOLE) == PAGE && ftruncate(fd, HOLE + 2 * PAGE + 5) == 0);
  if (geteuid() == 0) CHECK(fchown(fd, 123, 456) == 0);
  struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
  CHECK(fchmod(fd, 0614) == 0 && futimens(fd, times) == 0);
  CHECK(lseek(fd, 99, SEEK_SET) == 99 && lseek(reader, 77, SEEK_SET) == 77);
  CHECK(unlink("ghost") == 0);
  struct stat before, now, other;
  CHECK(fstat(fd, &before) == 0);

  ready_and_wait();
  CHECK(fstat(fd, &now) == 0 && fstat(reader, &other) == 0);
  CHECK_EQUAL(now.st_ino, other.st_ino);
  CHECK_EQUAL(now.st_nlink, 0);
  CHECK_EQUAL(now.st_mode, before.st_mode);
  CHECK_EQUAL(now.st_uid, before.st_uid);
  CHECK_EQUAL(now.st_gid, before.st_gid);
  CHECK_EQUAL(now.st_size, before.st_size);
  CHECK_EQUAL(now.st_mtim.tv_sec, before.st_mtim.tv_sec);
  CHECK_EQUAL(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  CHECK(now.st_blocks * 512 < (long)HOLE / 2);
  CHECK_EQUAL(lseek(duplicate, 0, SEEK_CUR), 99);
  CHECK_EQUAL(lseek(reader, 0, SEEK_CUR), 77);
  CHECK(pread(reader, page, PAGE, HOLE) == PAGE && is_filled(page, PAGE, 2));
  CHECK(pread(reader, page, PAGE, 0) == PAGE && is_filled(page, PAGE, 1));
  CHECK(pread(reader, page, PAGE, HOLE / 2) == PAGE && is_zero(page, PAGE));
  CHECK(pwrite(fd, "new", 3, 5) == 3 && pread(reader, page, 3, 5) == 3 && memcmp(page, "new", 3) == 0);
  CHECK(access("ghost", F_OK) == -1);
  return pass();
}
