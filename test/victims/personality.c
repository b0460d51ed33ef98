#include <sys/personality.h>

#include "victim.h"

int main(void) {
  const unsigned wanted = ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | UNAME26;
  CHECK(personality(wanted) != -1);
  ready_and_wait();
  CHECK_EQUAL(personality(0xffffffff), wanted);
  return pass();
}
