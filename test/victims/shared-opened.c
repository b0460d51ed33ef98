/* Shared anonymous memory that is open under a descriptor, and mapped through that privately too. */
#include "pattern.h"
#include "proc.h"

#define PAGES 5

int main(void) {
  need_root();
  char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  fill(shared, PAGES * PAGE, 1);
  char path[128], link[128] = "";
  sprintf(path, "/proc/self/map_files/%lx-%lx", (long)shared, (long)shared + PAGES * PAGE);
  int fd = open(path, O_RDWR);
  CHECK(fd >= 0);
  char *private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
  CHECK(private != MAP_FAILED);
  fill(private, PAGE, 2);
  CHECK(ftruncate(fd, (PAGES + 1) * PAGE) == 0 && pwrite(fd, "end", 3, PAGES * PAGE) == 3);

  ready_and_wait();
  CHECK(is_filled(shared, PAGES * PAGE, 1) && is_filled(private, PAGE, 2));
  CHECK(memcmp(private + PAGE, shared + 2 * PAGE, 2 * PAGE) == 0);
  fill(shared, PAGES * PAGE, 3);
  char page[PAGE];
  CHECK(pread(fd, page, PAGE, 0) == PAGE && is_filled(page, PAGE, 3));
  CHECK(memcmp(private + PAGE, shared + 2 * PAGE, 2 * PAGE) == 0 && is_filled(private, PAGE, 2));
  CHECK(pread(fd, page, 3, PAGES * PAGE) == 3 && memcmp(page, "end", 3) == 0);
  sprintf(path, "/proc/self/fd/%d", fd);
  CHECK(readlink(path, link, sizeof link - 1) > 0);
  CHECK_SAME_TEXT(link, "/dev/zero (deleted)");
  CHECK_SAME_TEXT(vma_at(shared).path, "/dev/zero (deleted)");
  return pass();
}
