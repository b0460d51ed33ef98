/* Offsets past 2 GiB and 4 GiB, in a file that is nearly all hole; one such place is mapped. */
#include "pattern.h"

#define FAR ((5LL << 30) + 123)

int main(void) {
  int fd = open("sparse", O_RDWR | O_CREAT, 0644);
  CHECK(fd >= 0 && pwrite(fd, "far", 3, FAR) == 3 && lseek(fd, FAR, SEEK_SET) == FAR);
  char *mapped = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, FAR & -PAGE);
  int nearer = open("sparse", O_RDONLY);
  CHECK(mapped != MAP_FAILED && lseek(nearer, (2LL << 30) + 7, SEEK_SET) == (2LL << 30) + 7);

  ready_and_wait();
  char text[4] = {0};
  CHECK_EQUAL(lseek(nearer, 0, SEEK_CUR), (2LL << 30) + 7);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), FAR);
  CHECK(read(fd, text, 3) == 3);
  CHECK_SAME_TEXT(text, "far");
  CHECK(memcmp(mapped + FAR % PAGE, "far", 3) == 0);
  return pass();
}
