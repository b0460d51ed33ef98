#include "pattern.h"
#include "proc.h"

#define PAGES 8

int main(void) {
  int fd = new_file("mapped", PAGES, 1);
  char *whole = map(PAGES, PROT_READ, MAP_PRIVATE, fd);
  char *part = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 3 * PAGE);
  CHECK(part != MAP_FAILED);
  close(fd);
  struct vma whole_before = vma_at(whole), part_before = vma_at(part);

  ready_and_wait();
  struct vma whole_after = vma_at(whole), part_after = vma_at(part);
  CHECK_SAME_TEXT(whole_after.path, whole_before.path);
  CHECK_SAME_TEXT(whole_after.perms, "r--p");
  CHECK_SAME_TEXT(part_after.path, part_before.path);
  CHECK_SAME_TEXT(part_after.perms, "r-xp");
  CHECK_EQUAL(part_after.offset, 3 * PAGE);
  CHECK_EQUAL(part_after.end - part_after.start, 2 * PAGE);
  CHECK(is_filled(whole, PAGES * PAGE, 1));
  CHECK(memcmp(part, whole + 3 * PAGE, 2 * PAGE) == 0);
  return pass();
}
