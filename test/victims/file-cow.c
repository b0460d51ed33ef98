#include "pattern.h"
#include "proc.h"

#define PAGES 8

int main(void) {
  int fd = new_file("mapped", PAGES, 1);
  char *memory = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd), *original = malloc(PAGES * PAGE);
  CHECK(pread(fd, original, PAGES * PAGE, 0) == (ssize_t)(PAGES * PAGE));
  close(fd);
  fill(memory + 3 * PAGE, PAGE, 2);
  memset(memory + 5 * PAGE, 0, PAGE);
  CHECK(mprotect(memory + 5 * PAGE, PAGE, PROT_READ) == 0);

  ready_and_wait();
  CHECK(strstr(vma_at(memory).path, "/mapped"));
  CHECK(memcmp(memory, original, 3 * PAGE) == 0);
  CHECK(is_filled(memory + 3 * PAGE, PAGE, 2));
  CHECK(memcmp(memory + 4 * PAGE, original + 4 * PAGE, PAGE) == 0);
  CHECK(is_zero(memory + 5 * PAGE, PAGE));
  CHECK(memcmp(memory + 6 * PAGE, original + 6 * PAGE, 2 * PAGE) == 0);

  memset(memory, 0xff, PAGE);
  CHECK((fd = open("mapped", O_RDONLY)) >= 0);
  char *content = malloc(PAGES * PAGE);
  CHECK(read(fd, content, PAGES * PAGE) == (ssize_t)(PAGES * PAGE));
  CHECK(memcmp(content, original, PAGES * PAGE) == 0);
  return pass();
}
