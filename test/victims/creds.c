/* Four different user ids, four different group ids, and many groups; no capability is left. */
#include <grp.h>

#include <sys/fsuid.h>

#include "proc.h"

int main(void) {
  static const char *keys[] = {"Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapBnd"};
  char *before[LENGTH(keys)];
  gid_t groups[100];
  need_root();
  for (size_t i = 0; i < LENGTH(groups); i++) groups[i] = (gid_t)(5000 + 3 * i);
  groups[99] = 0xfffffffe;
  CHECK(setgroups(LENGTH(groups), groups) == 0);
  CHECK(setresgid(101, 102, 103) == 0);
  setfsgid(101);
  CHECK(setresuid(201, 202, 203) == 0);
  setfsuid(201);
  for (size_t i = 0; i < LENGTH(keys); i++) before[i] = status(keys[i]);
  CHECK_SAME_TEXT(before[0], "\t201\t202\t203\t201");

  ready_and_wait();
  for (size_t i = 0; i < LENGTH(keys); i++) CHECK_SAME_TEXT(status(keys[i]), before[i]);
  CHECK(setuid(0) == -1 && errno == EPERM);
  return pass();
}
