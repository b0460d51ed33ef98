/* Page content that differs from page to page and from seed to seed. */
#pragma once

#include "victim.h"

static inline void fill(void *memory, size_t size, uint64_t seed) {
  uint64_t *word = memory;
  for (size_t i = 0; i < size / sizeof *word; i++) word[i] = (i + 1) * 0x9e3779b97f4a7c15ULL ^ seed;
}

static inline int is_filled(const void *memory, size_t size, uint64_t seed) {
  const uint64_t *word = memory;
  for (size_t i = 0; i < size / sizeof *word; i++) {
    if (word[i] != ((i + 1) * 0x9e3779b97f4a7c15ULL ^ seed)) return 0;
  }
  return 1;
}

static inline int is_zero(const void *memory, size_t size) {
  const char *byte = memory;
  for (size_t i = 0; i < size; i++) {
    if (byte[i]) return 0;
  }
  return 1;
}

/* Whether reading there would not fault; asks the kernel, so that no handler is needed. */
static inline int is_readable(const void *address) {
  return syscall(SYS_rt_sigprocmask, -1, address, NULL, 8) != -1 || errno != EFAULT;
}

static inline void *map(size_t pages, int protection, int flags, int fd) {
  void *memory = mmap(NULL, pages * PAGE, protection, flags, fd, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

static inline void *map_anonymous(size_t pages) {
  return map(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* A new file of that many filled pages in the current directory, open for both reading and writing. */
static inline int new_file(const char *name, size_t pages, uint64_t seed) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  char *content = malloc(pages * PAGE + 1);
  CHECK(fd >= 0 && content);
  fill(content, pages * PAGE, seed);
  CHECK(pwrite(fd, content, pages * PAGE, 0) == (ssize_t)(pages * PAGE));
  free(content);
  return fd;
}
