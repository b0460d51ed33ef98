/* The current directory is elsewhere, under a name that is not UTF-8, and renamed meanwhile. */
#include "victim.h"

int main(void) {
  char before[4096], now[4096];
  CHECK(mkdir("old name", 0755) == 0 && mkdir("old name/in \xff", 0755) == 0 && chdir("old name/in \xff") == 0);
  CHECK(rename("../../old name", "../../new name") == 0);
  CHECK(getcwd(before, sizeof before) && strstr(before, "/new name/in \xff"));
  ready_and_wait();
  CHECK(getcwd(now, sizeof now));
  CHECK_SAME_TEXT(now, before);
  CHECK(open("made here", O_CREAT | O_WRONLY, 0644) >= 0);
  CHECK(access("../../new name/in \xff/made here", F_OK) == 0);
  return pass();
}
