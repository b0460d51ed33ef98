/* Offsets: of descriptors that share one by dup, and of two openings of one file that do not. */
#include "pattern.h"

int main(void) {
  int fd = new_file("file", 1, 1), shared = dup(fd), other = open("file", O_RDONLY);
  CHECK(dup2(fd, 100) == 100);
  CHECK(lseek(fd, 1000, SEEK_SET) == 1000 && lseek(other, 2000, SEEK_SET) == 2000);
  int past_end = open("file", O_RDONLY);
  CHECK(lseek(past_end, 1 << 20, SEEK_SET) == 1 << 20);

  ready_and_wait();
  CHECK_EQUAL(lseek(shared, 0, SEEK_CUR), 1000);
  CHECK(write(shared, "x", 1) == 1);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 1001);
  CHECK_EQUAL(lseek(100, 0, SEEK_CUR), 1001);
  CHECK_EQUAL(lseek(other, 0, SEEK_CUR), 2000);
  CHECK_EQUAL(lseek(past_end, 0, SEEK_CUR), 1 << 20);
  CHECK(write(other, "x", 1) == -1 && errno == EBADF);
  return pass();
}
