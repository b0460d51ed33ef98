/* What a victim reads about itself from /proc. Every returned text is malloced and never freed. */
#pragma once

#include "victim.h"

static inline char *slurp(const char *path) {
  size_t size = 0, capacity = 1 << 16;
  char *text = malloc(capacity);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0 && text);
  for (ssize_t count; (count = read(fd, text + size, capacity - size - 1)) != 0; size += (size_t)count) {
    CHECK(count > 0);
    if (capacity - size < PAGE) CHECK((text = realloc(text, capacity *= 2)));
  }
  close(fd);
  text[size] = 0;
  return text;
}

/* The rest of the line that begins with `key:`; of this thread's status. */
static inline char *status(const char *key) {
  char *text = slurp("/proc/thread-self/status"), *start;
  size_t length = strlen(key);
  for (start = text; strncmp(start, key, length) != 0 || start[length] != ':'; start++) {
    CHECK((start = strchr(start, '\n')));
  }
  start += length + 1;
  return strndup(start, strcspn(start, "\n"));
}

struct vma {
  unsigned long start, end, offset;
  char perms[5], path[256], flags[128];
};

/* The mapping that holds `address`, with its VmFlags; all zero when there is none. */
static inline struct vma vma_at(const void *address) {
  struct vma found = {0}, vma = {0};
  char *text = slurp("/proc/self/smaps"), *rest = text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
      memset(&vma, 0, sizeof vma);
      sscanf(line, "%lx-%lx %4s %lx %*s %*s %255[^\n]", &vma.start, &vma.end, vma.perms, &vma.offset, vma.path);
    }
    if (strncmp(line, "VmFlags: ", 9) != 0) continue;
    snprintf(vma.flags, sizeof vma.flags, "%s", line + 9);
    if (vma.start <= (unsigned long)address && (unsigned long)address < vma.end) found = vma;
  }
  free(text);
  return found;
}

/* `flag`: two letters, as in VmFlags. */
static inline int has_vm_flag(const void *address, const char *flag) {
  return strstr(vma_at(address).flags, flag) != NULL;
}
