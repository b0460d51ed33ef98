#include "proc.h"

#include <sys/auxv.h>

#include <elf.h>

static char *link_of_exe(void) {
  char *target = calloc(1, 4096);
  CHECK(readlink("/proc/self/exe", target, 4095) > 0);
  return target;
}

/* These files hold zero bytes: their lengths are compared, and their bytes. */
static size_t read_whole(const char *path, char *buffer, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t count = read(fd, buffer, size);
  CHECK(fd >= 0 && count >= 0);
  close(fd);
  return (size_t)count;
}

int main(int count, char **arguments) {
  static const char *paths[] = {"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv"};
  static char before[3][16384], after[3][16384];
  size_t sizes[3];
  CHECK(count == 3 && setenv("SET_LATER", "not in /proc", 1) == 0);
  for (int i = 0; i < 3; i++) sizes[i] = read_whole(paths[i], before[i], sizeof before[i]);
  char *exe = link_of_exe(), *comm = slurp("/proc/self/comm"), *path = (char *)getauxval(AT_EXECFN);
  unsigned long entry = getauxval(AT_ENTRY);

  ready_and_wait();
  for (int i = 0; i < 3; i++) {
    CHECK_EQUAL(read_whole(paths[i], after[i], sizeof after[i]), sizes[i]);
    CHECK(memcmp(before[i], after[i], sizes[i]) == 0);
  }
  CHECK_SAME_TEXT(link_of_exe(), exe);
  CHECK_SAME_TEXT(slurp("/proc/self/comm"), comm);
  CHECK_SAME_TEXT((char *)getauxval(AT_EXECFN), path);
  CHECK_EQUAL(getauxval(AT_ENTRY), entry);
  CHECK_SAME_TEXT(getenv("SET_LATER"), "not in /proc");
  CHECK_SAME_TEXT(arguments[2], "second \n argument");
  return pass();
}
