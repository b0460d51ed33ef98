#include "pattern.h"
#include "proc.h"

#define PAGES 8

int main(void) {
  int fd = new_file("mapped", PAGES, 1);
  char *memory = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  close(fd);
  fill(memory + PAGE, PAGE, 2);

  ready_and_wait();
  CHECK_SAME_TEXT(vma_at(memory).perms, "rw-s");
  CHECK(is_filled(memory + PAGE, PAGE, 2));
  CHECK((fd = open("mapped", O_RDWR)) >= 0);
  char page[PAGE];
  fill(memory + 2 * PAGE, PAGE, 3);
  CHECK(pread(fd, page, PAGE, 2 * PAGE) == PAGE);
  CHECK(is_filled(page, PAGE, 3));
  fill(page, PAGE, 4);
  CHECK(pwrite(fd, page, PAGE, 5 * PAGE) == PAGE);
  CHECK(is_filled(memory + 5 * PAGE, PAGE, 4));
  return pass();
}
