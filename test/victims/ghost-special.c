/* Unlinked files that are no regular ones: a symbolic link held with O_PATH, and a device node. */
#include <sys/sysmacros.h>

#include "victim.h"

int main(void) {
  need_root();
  CHECK(symlink("some/where else", "link") == 0 && lchown("link", 12, 34) == 0);
  CHECK(mknod("node", S_IFCHR | 0640, makedev(1, 5)) == 0 && chmod("node", 0642) == 0);
  int symbolic = open("link", O_PATH | O_NOFOLLOW), node = open("node", O_RDWR);
  CHECK(symbolic >= 0 && node >= 0 && unlink("link") == 0 && unlink("node") == 0);

  ready_and_wait();
  char target[64] = "";
  struct stat state;
  CHECK_EQUAL(readlinkat(symbolic, "", target, sizeof target - 1), 15);
  CHECK_SAME_TEXT(target, "some/where else");
  CHECK(fstat(symbolic, &state) == 0);
  CHECK_EQUAL(state.st_mode & S_IFMT, S_IFLNK);
  CHECK_EQUAL(state.st_uid, 12);
  CHECK_EQUAL(state.st_gid, 34);
  CHECK_EQUAL(state.st_nlink, 0);

  CHECK(fstat(node, &state) == 0);
  CHECK_EQUAL(state.st_mode, S_IFCHR | 0642);
  CHECK_EQUAL(state.st_rdev, makedev(1, 5));
  CHECK_EQUAL(state.st_nlink, 0);
  char byte = 1;
  CHECK(read(node, &byte, 1) == 1 && byte == 0);
  CHECK(access("link", F_OK) == -1 && access("node", F_OK) == -1);
  return pass();
}
