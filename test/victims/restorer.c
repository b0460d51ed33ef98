/*
 * Not a victim: runs a program with every inheritable attribute other than it is usually. What it restores is
 * not to have any of that.
 */
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "proc.h"

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

static void lower_soft_limits(void) {
  static const int resources[] = {RLIMIT_CORE, RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_MSGQUEUE};
  for (size_t i = 0; i < LENGTH(resources); i++) {
    struct rlimit limit;
    CHECK(getrlimit(resources[i], &limit) == 0);
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? 16 << 20 : limit.rlim_max / 2;
    CHECK(setrlimit(resources[i], &limit) == 0);
  }
}

int main(int count, char **arguments) {
  unsigned long node = 1;
  cpu_set_t set;
  CHECK(count > 1);
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
  CHECK(setpriority(PRIO_PROCESS, 0, 3) == 0);
  CHECK(syscall(SYS_ioprio_set, 1, 0, 3 << 13 | 7) == 0);
  CHECK(prctl(PR_SET_TIMERSLACK, 777777) == 0);
  CHECK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0) == 0);
  CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
  syscall(SYS_prctl, 67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0);
  syscall(SYS_set_mempolicy, 3 /* MPOL_INTERLEAVE */, &node, 64);
  CHECK(personality(ADDR_NO_RANDOMIZE) != -1);
  write_file("/proc/self/oom_score_adj", "17");
  write_file("/proc/self/coredump_filter", "0x1");
  lower_soft_limits();
  umask(0077);
  signal(SIGHUP, SIG_IGN);
  signal(SIGRTMIN + 3, SIG_IGN);
  sigset_t blocked = set_of(SIGUSR2);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  let_go_interrupt();
  signal(SIGTERM, SIG_DFL);
  execv(arguments[1], arguments + 1);
  return 1;
}
