/* Every attribute is as the kernel gives it, and stays so whatever the restoring process has made of its own. */
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "proc.h"

static char text[1 << 16];

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...) {
  size_t length = strlen(text);
  va_list values;
  va_start(values, format);
  CHECK(vsnprintf(text + length, sizeof text - length, format, values) < (int)(sizeof text - length));
  va_end(values);
}

static void add_status(void) {
  static const char *keys[] = {"Umask",  "Uid",    "Gid",    "Groups", "SigBlk", "SigIgn",      "SigCgt",      "CapInh",
                               "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed"};
  for (size_t i = 0; i < LENGTH(keys); i++) add("%s:%s\n", keys[i], status(keys[i]));
}

static void add_files(void) {
  static const char *names[] = {"limits", "oom_score_adj", "coredump_filter", "timerslack_ns", "personality"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    char path[64];
    sprintf(path, "/proc/self/%s", names[i]);
    add("%s: %s\n", names[i], slurp(path));
  }
}

static void add_prctls(void) {
  static const int by_result[] = {PR_GET_DUMPABLE,    PR_GET_KEEPCAPS,    PR_GET_SECUREBITS, PR_MCE_KILL_GET,
                                  PR_GET_THP_DISABLE, 66 /* PR_GET_MDWE */, 68 /* PR_GET_MEMORY_MERGE */};
  static const int by_pointer[] = {PR_GET_PDEATHSIG, PR_GET_TSC, PR_GET_CHILD_SUBREAPER};
  for (size_t i = 0; i < LENGTH(by_result); i++) {
    add("prctl %d: %ld\n", by_result[i], syscall(SYS_prctl, by_result[i], 0, 0, 0, 0));
  }
  for (size_t i = 0; i < LENGTH(by_pointer); i++) {
    int value = -1;
    syscall(SYS_prctl, by_pointer[i], &value, 0, 0, 0);
    add("prctl %d: %d\n", by_pointer[i], value);
  }
}

static const char *attributes(void) {
  int mode = -1;
  syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
  text[0] = 0;
  add("policy %d, nice %d, ", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0));
  add("I/O priority %ld, memory policy %d\n", syscall(SYS_ioprio_get, 1, 0), mode);
  add_status();
  add_files();
  add_prctls();
  return text;
}

int main(void) {
  const char *before = strdup(attributes());
  ready_and_wait();
  CHECK_SAME_TEXT(attributes(), before);
  return pass();
}
