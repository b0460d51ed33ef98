#include "pattern.h"
#include "proc.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

int main(void) {
  char *locked = map_anonymous(4), *on_fault = map_anonymous(8), *plain = map_anonymous(4);
  fill(locked, 4 * PAGE, 1);
  CHECK(mlock(locked, 4 * PAGE) == 0);
  fill(on_fault, PAGE, 2);
  CHECK(mlock2(on_fault, 8 * PAGE, MLOCK_ONFAULT) == 0);
  fill(plain, 4 * PAGE, 3);
  char *amount = status("VmLck");

  ready_and_wait();
  CHECK_SAME_TEXT(status("VmLck"), amount);
  CHECK(has_vm_flag(locked, "lo") && has_vm_flag(on_fault, "lo") && !has_vm_flag(plain, "lo"));
  CHECK(is_filled(locked, 4 * PAGE, 1) && is_filled(on_fault, PAGE, 2) && is_filled(plain, 4 * PAGE, 3));
  unsigned char resident[8];
  CHECK(mincore(on_fault, 8 * PAGE, resident) == 0);
  CHECK(resident[0] & 1);
  for (int page = 1; page < 8; page++) CHECK(!(resident[page] & 1));
  return pass();
}
