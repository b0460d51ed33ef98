#include "pattern.h"
#include "proc.h"

#define MPOL_PREFERRED 1
#define MPOL_BIND 2
#define MPOL_INTERLEAVE 3

int main(void) {
  unsigned long node = 1, nodes = 0;
  int mode = -1;
  char *bound = map_anonymous(4);
  if (syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &node, 64) != 0) SKIP("the kernel has no memory policies");
  CHECK(syscall(SYS_mbind, bound, 4 * PAGE, MPOL_BIND, &node, 64, 0) == 0);
  fill(bound, 4 * PAGE, 1);

  ready_and_wait();
  CHECK(syscall(SYS_get_mempolicy, &mode, &nodes, 64, NULL, 0) == 0);
  CHECK_EQUAL(mode, MPOL_INTERLEAVE);
  CHECK_EQUAL(nodes, 1);
  CHECK(syscall(SYS_get_mempolicy, &mode, &nodes, 64, bound, 2 /* MPOL_F_ADDR */) == 0);
  CHECK_EQUAL(mode, MPOL_BIND);
  CHECK_EQUAL(nodes, 1);
  CHECK(is_filled(bound, 4 * PAGE, 1));
  return pass();
}
