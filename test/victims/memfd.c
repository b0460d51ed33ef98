#include "pattern.h"
#include "proc.h"

#define PAGES 4
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static int new_memfd(const char *name, unsigned seed) {
  int fd = memfd_create(name, MFD_ALLOW_SEALING | MFD_CLOEXEC);
  char content[PAGES * PAGE];
  fill(content, sizeof content, seed);
  CHECK(fd >= 0 && write(fd, content, sizeof content) == sizeof content);
  return fd;
}

static char *link_of(int fd) {
  char path[64], *target = calloc(1, 256);
  sprintf(path, "/proc/self/fd/%d", fd);
  CHECK(readlink(path, target, 255) > 0);
  return target;
}

int main(void) {
  int sealed = new_memfd("sealed memory", 1), open_ended = new_memfd("", 2);
  int closed = new_memfd("mapped only", 3);
  char *writable = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, sealed);
  char *private = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, open_ended);
  char *only_mapped = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, closed);
  CHECK(fcntl(sealed, F_ADD_SEALS, SEALS) == 0);
  fill(private, PAGE, 4);
  close(closed);
  CHECK(lseek(sealed, 123, SEEK_SET) == 123);
  struct stat before, after;
  fstat(sealed, &before);

  ready_and_wait();
  CHECK_EQUAL(fcntl(sealed, F_GET_SEALS), SEALS);
  CHECK_EQUAL(fcntl(open_ended, F_GET_SEALS), 0);
  CHECK_EQUAL(fcntl(sealed, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(lseek(sealed, 0, SEEK_CUR), 123);
  CHECK_SAME_TEXT(link_of(sealed), "/memfd:sealed memory (deleted)");
  CHECK_SAME_TEXT(vma_at(only_mapped).path, "/memfd:mapped only (deleted)");
  CHECK(fstat(sealed, &after) == 0);
  CHECK_EQUAL(after.st_mode, before.st_mode);
  CHECK(write(sealed, "x", 1) == -1 && errno == EPERM);
  CHECK(is_filled(writable, PAGES * PAGE, 1) && is_filled(only_mapped, PAGES * PAGE, 3));
  fill(writable, PAGE, 5);
  char page[PAGE];
  CHECK(pread(sealed, page, PAGE, 0) == PAGE && is_filled(page, PAGE, 5));
  CHECK(is_filled(private, PAGE, 4));
  CHECK(pread(open_ended, page, PAGE, PAGE) == PAGE && memcmp(page, private + PAGE, PAGE) == 0);
  CHECK(ftruncate(open_ended, 0) == 0);
  return pass();
}
