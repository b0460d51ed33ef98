/* Several filters on all threads (TSYNC), then one more on some: what each answers tells which are in force. */
#include "proc.h"
#include "seccomp.h"
#include "threads.h"

#define ANSWER(error) (SECCOMP_RET_ERRNO | (error))

static char *counts[4];

static void set_up(int i) {
  if (i > 0) add_filter(SYS_getpgid, ANSWER(100 + (unsigned)i), 0);
  if (i == 2) add_filter(SYS_getpgid, ANSWER(E2BIG), SECCOMP_FILTER_FLAG_LOG);
  counts[i] = status("Seccomp_filters");
}

static void check(int i) {
  CHECK_SAME_TEXT(status("Seccomp"), "\t2");
  CHECK_SAME_TEXT(status("Seccomp_filters"), counts[i]);
  expect_errno(SYS_getppid, EXDEV);
  expect_errno(SYS_getpriority, ENOTDIR);
  /* Of two that answer with an error, the later one is heard; thread 0 has none but those of main. */
  expect_errno(SYS_getpgid, i == 0 ? 103 : i == 2 ? E2BIG : 100 + i);
}

int main(void) {
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  add_filter(SYS_getppid, ANSWER(EXDEV), 0);
  add_filter(SYS_getpriority, ANSWER(ENOTDIR), SECCOMP_FILTER_FLAG_TSYNC);
  set_up(3);
  with_threads(3, set_up, check);
  check(3);
  return pass();
}
