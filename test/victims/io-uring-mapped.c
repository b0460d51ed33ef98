/* The rings of an io_uring instance stay mapped when its descriptor is closed. */
#include <linux/io_uring.h>

#include "pattern.h"

int main(void) {
  struct io_uring_params parameters = {0};
  int fd = (int)syscall(425 /* io_uring_setup */, 4, &parameters);
  if (fd < 0) SKIP("the kernel has no io_uring");
  uint32_t *ring = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
  CHECK(ring != MAP_FAILED && close(fd) == 0);
  uint32_t mask = ring[parameters.sq_off.ring_mask / 4];
  CHECK_EQUAL(mask, 3);
  ready_and_wait();
  CHECK_EQUAL(ring[parameters.sq_off.ring_mask / 4], mask);
  return pass();
}
