/* Small seccomp filters. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "victim.h"

/* Adds a filter that answers the system call `number` with `action`, and lets all others pass. */
static inline void add_filter(int number, unsigned action, unsigned flags) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = LENGTH(code), .filter = code};
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0);
}

static inline void expect_errno(int number, int expected) {
  CHECK_EQUAL(syscall(number, 0, 0, 0), -1);
  CHECK_EQUAL(errno, expected);
}
