#include "pattern.h"
#include "proc.h"

#include <sys/sysmacros.h>

static const char *paths[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

int main(void) {
  int fds[LENGTH(paths)];
  struct stat before[LENGTH(paths)], now;
  char page[PAGE];
  for (size_t i = 0; i < LENGTH(paths); i++) {
    CHECK((fds[i] = open(paths[i], O_RDWR)) >= 0 && fstat(fds[i], &before[i]) == 0);
  }
  char *mapped = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[1]);
  fill(mapped + PAGE, PAGE, 1);

  ready_and_wait();
  for (size_t i = 0; i < LENGTH(paths); i++) {
    CHECK(fstat(fds[i], &now) == 0);
    CHECK_EQUAL(now.st_rdev, before[i].st_rdev);
    CHECK_EQUAL(fcntl(fds[i], F_GETFL) & O_ACCMODE, O_RDWR);
  }
  CHECK(read(fds[0], page, 1) == 0 && write(fds[0], page, PAGE) == PAGE);
  memset(page, 1, PAGE);
  CHECK(read(fds[1], page, PAGE) == PAGE && is_zero(page, PAGE));
  CHECK(write(fds[2], page, 1) == -1 && errno == ENOSPC);
  CHECK(read(fds[4], page, PAGE) == PAGE && !is_zero(page, PAGE));
  CHECK_SAME_TEXT(vma_at(mapped).path, "/dev/zero");
  CHECK(is_zero(mapped, PAGE) && is_filled(mapped + PAGE, PAGE, 1) && is_zero(mapped + 2 * PAGE, 2 * PAGE));
  return pass();
}
