/* The five sets, each different, under another user id. */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "proc.h"

int main(void) {
  static const char *keys[] = {"Uid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
  char *before[LENGTH(keys)];
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{0}};
  need_root();
  CHECK(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) == 0 && prctl(PR_CAPBSET_DROP, CAP_WAKE_ALARM) == 0);
  CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(1000, 1000, 1000) == 0);
  sets[0].permitted = 1 << CAP_CHOWN | 1 << CAP_NET_RAW | 1 << CAP_SYS_PTRACE | 1 << CAP_KILL;
  sets[0].inheritable = 1 << CAP_CHOWN | 1 << CAP_NET_RAW;
  sets[0].effective = 1 << CAP_KILL | 1 << CAP_NET_RAW;
  sets[1].permitted = 1 << (CAP_SYSLOG - 32);
  CHECK(syscall(SYS_capset, &head, sets) == 0);
  CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0);
  for (size_t i = 0; i < LENGTH(keys); i++) before[i] = status(keys[i]);
  CHECK_SAME_TEXT(before[5], "\t0000000000002000");

  ready_and_wait();
  for (size_t i = 0; i < LENGTH(keys); i++) CHECK_SAME_TEXT(status(keys[i]), before[i]);
  return pass();
}
