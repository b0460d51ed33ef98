/* One attribute that is set and read by prctl: prctl NAME. */
#include <sys/prctl.h>

#include "victim.h"

enum { BY_RESULT, BY_POINTER };

static const struct {
  const char *name;
  int set;
  unsigned long argument, second;
  int get;
  unsigned long get_argument;
  int answer;
} attributes[] = {
    {"subreaper", PR_SET_CHILD_SUBREAPER, 1, 0, PR_GET_CHILD_SUBREAPER, 0, BY_POINTER},
    {"parent-death-signal", PR_SET_PDEATHSIG, SIGURG, 0, PR_GET_PDEATHSIG, 0, BY_POINTER},
    {"keep-capabilities", PR_SET_KEEPCAPS, 1, 0, PR_GET_KEEPCAPS, 0, BY_RESULT},
    {"securebits", PR_SET_SECUREBITS, 0x2f /* noroot and no_setuid_fixup, both locked, and no_cap_ambient */, 0,
     PR_GET_SECUREBITS, 0, BY_RESULT},
    {"no-new-privileges", PR_SET_NO_NEW_PRIVS, 1, 0, PR_GET_NO_NEW_PRIVS, 0, BY_RESULT},
    {"not-dumpable", PR_SET_DUMPABLE, 0, 0, PR_GET_DUMPABLE, 0, BY_RESULT},
    {"timer-slack", PR_SET_TIMERSLACK, 123456, 0, PR_GET_TIMERSLACK, 0, BY_RESULT},
    {"no-tsc", PR_SET_TSC, PR_TSC_SIGSEGV, 0, PR_GET_TSC, 0, BY_POINTER},
    {"machine-check", PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, PR_MCE_KILL_GET, 0, BY_RESULT},
    {"no-huge-pages", PR_SET_THP_DISABLE, 1, 0, PR_GET_THP_DISABLE, 0, BY_RESULT},
    {"no-huge-pages-unless-advised", PR_SET_THP_DISABLE, 1, 2, PR_GET_THP_DISABLE, 0, BY_RESULT},
    {"memory-merge", 67 /* PR_SET_MEMORY_MERGE */, 1, 0, 68, 0, BY_RESULT},
    {"deny-write-execute", 65 /* PR_SET_MDWE */, 1, 0, 66, 0, BY_RESULT},
    {"io-flusher", 57 /* PR_SET_IO_FLUSHER */, 1, 0, 58, 0, BY_RESULT},
    {"no-store-bypass", PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, PR_GET_SPECULATION_CTRL,
     PR_SPEC_STORE_BYPASS, BY_RESULT},
    {"no-indirect-branches", PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE,
     PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, BY_RESULT},
    {"flush-l1d", PR_SET_SPECULATION_CTRL, 2 /* PR_SPEC_L1D_FLUSH */, PR_SPEC_ENABLE,
     PR_GET_SPECULATION_CTRL, 2, BY_RESULT},
    {"futex-hash", 78 /* PR_FUTEX_HASH */, 1 /* SET_SLOTS */, 64, 78, 2 /* GET_SLOTS */, BY_RESULT},
    {"timer-restore-ids", 77 /* PR_TIMER_CREATE_RESTORE_IDS */, 1, 0, 77, 2, BY_RESULT},
};

static long get(size_t i) {
  int value = 0;
  const int by_pointer = attributes[i].answer == BY_POINTER;
  unsigned long argument = by_pointer ? (unsigned long)&value : attributes[i].get_argument;
  long result = syscall(SYS_prctl, attributes[i].get, argument, 0, 0, 0);
  return by_pointer && result == 0 ? value : result;
}

int main(int count, char **arguments) {
  size_t i = 0;
  CHECK(count == 2);
  while (strcmp(attributes[i].name, arguments[1]) != 0) CHECK(++i < LENGTH(attributes));
  long original = get(i);
  if (original == -1) SKIP("the kernel lacks this attribute");
  if (syscall(SYS_prctl, attributes[i].set, attributes[i].argument, attributes[i].second, 0, 0) != 0) {
    if (errno == EPERM) SKIP("not permitted");
    SKIP("this machine lacks this attribute");
  }
  long changed = get(i);
  CHECK(changed != original);
  ready_and_wait();
  CHECK_EQUAL(get(i), changed);
  return pass();
}
