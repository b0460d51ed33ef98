#include "pattern.h"
#include "proc.h"

#define PAGES 4

int main(void) {
  int fd = new_file("gone", PAGES, 1);
  char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  char *same = map(PAGES, PROT_READ, MAP_SHARED, fd);
  char *private = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  close(fd);
  fill(shared + PAGE, PAGE, 2);
  fill(private + 2 * PAGE, PAGE, 3);
  CHECK(unlink("gone") == 0);

  ready_and_wait();
  CHECK(strstr(vma_at(shared).path, "(deleted)"));
  CHECK(access("gone", F_OK) == -1);
  CHECK(is_filled(shared + PAGE, PAGE, 2));
  CHECK(is_filled(private + 2 * PAGE, PAGE, 3));
  CHECK(memcmp(private, shared, 2 * PAGE) == 0);
  CHECK(memcmp(private + 3 * PAGE, shared + 3 * PAGE, PAGE) == 0);
  fill(shared, PAGE, 4);
  CHECK(is_filled(same, PAGE, 4));
  CHECK(is_filled(private, PAGE, 4));
  return pass();
}
