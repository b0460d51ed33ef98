#include <sys/prctl.h>

#include "proc.h"
#include "threads.h"

static const char *names[] = {"plain", "fifteen letters", "", "odd \n ) (name", "\xff\xfe"};

static void set_up(int i) { CHECK(prctl(PR_SET_NAME, names[i]) == 0); }

static void check(int i) {
  char name[16];
  CHECK(prctl(PR_GET_NAME, name) == 0);
  CHECK_SAME_TEXT(name, names[i]);
}

int main(void) {
  set_up(3);
  with_threads(LENGTH(names), set_up, check);
  check(3);
  return pass();
}
