/* Registrations for memory barriers on all threads, without which membarrier() refuses. */
#include <linux/membarrier.h>

#include "victim.h"

#define GET_REGISTRATIONS (1 << 9) /* Linux 6.3 */

static int membarrier(int command) { return (int)syscall(SYS_membarrier, command, 0, 0); }

int main(void) {
  if (membarrier(GET_REGISTRATIONS) == -1) SKIP("the kernel does not tell what is registered");
  CHECK(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
  CHECK(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0);
  int registered = membarrier(GET_REGISTRATIONS);
  CHECK(registered & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  CHECK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == -1);

  ready_and_wait();
  CHECK_EQUAL(membarrier(GET_REGISTRATIONS), registered);
  CHECK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
  CHECK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == -1);
  return pass();
}
