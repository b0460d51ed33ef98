/* Mapped pages past the end of their file raise SIGBUS: nobody can read them, so nobody may try. */
#include "pattern.h"
#include "proc.h"

#define PAGES 8

int main(void) {
  int fd = new_file("short", PAGES, 1);
  char *private = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  char *shared = map(PAGES, PROT_READ, MAP_SHARED, fd);
  fill(private + PAGE, PAGE, 2);
  fill(private + 4 * PAGE, PAGE, 3);
  /* The end cuts page 2 in two; it takes even the written page 4 away. */
  CHECK(ftruncate(fd, 2 * PAGE + 100) == 0);
  close(fd);

  ready_and_wait();
  CHECK_EQUAL(vma_at(private).end - vma_at(private).start, PAGES * PAGE);
  CHECK(is_filled(private + PAGE, PAGE, 2));
  CHECK(is_readable(shared + 2 * PAGE) && !is_readable(shared + 3 * PAGE) && !is_readable(private + 4 * PAGE));
  CHECK(is_zero(private + 2 * PAGE + 100, PAGE - 100));
  struct stat file;
  CHECK(stat("short", &file) == 0);
  CHECK_EQUAL(file.st_size, 2 * PAGE + 100);
  return pass();
}
