#include "pattern.h"
#include "proc.h"

int main(void) {
  char *old = map_anonymous(4);
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) SKIP("cannot lock that much memory");
  fill(old, 4 * PAGE, 1);

  ready_and_wait();
  CHECK(has_vm_flag(old, "lo") && has_vm_flag(&old, "lo"));
  CHECK(is_filled(old, 4 * PAGE, 1));
  CHECK(has_vm_flag(map(2, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1), "lo"));
  return pass();
}
