/* Credentials belong to threads; only the C library makes them look as if they belonged to the process. */
#include <linux/capability.h>

#include "proc.h"
#include "threads.h"

#define THREADS 4
static const char *keys[] = {"Uid", "Gid", "Groups", "CapInh", "CapPrm",
                             "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"};
static char *before[THREADS][LENGTH(keys)];

static void drop(int i) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  gid_t groups[] = {7, 100 + (gid_t)i};
  CHECK(syscall(SYS_capget, &head, sets) == 0);
  CHECK(syscall(SYS_setgroups, 2, groups) == 0);
  CHECK(syscall(SYS_setresgid, 10 + i, 20 + i, 30 + i) == 0);
  if (i == 1) CHECK(syscall(SYS_setresuid, 1000, 1001, 1002) == 0);
  if (i == 2) CHECK(syscall(SYS_setfsuid, 77) == 0);
  if (i != 3) return;
  sets[0].effective &= ~0xff0u;
  sets[0].inheritable = sets[0].permitted &= ~0x0f0u;
  CHECK(syscall(SYS_capset, &head, sets) == 0);
}

static void set_up(int i) {
  drop(i);
  for (size_t key = 0; key < LENGTH(keys); key++) before[i][key] = status(keys[key]);
}

static void check(int i) {
  for (size_t key = 0; key < LENGTH(keys); key++) CHECK_SAME_TEXT(status(keys[key]), before[i][key]);
}

int main(void) {
  need_root();
  with_threads(THREADS, set_up, check);
  CHECK_EQUAL(getuid() + geteuid() + getgid(), 0);
  return pass();
}
