/* An AIO context is nothing but a mapping to the eye. */
#include <linux/aio_abi.h>

#include "pattern.h"

int main(void) {
  aio_context_t context = 0;
  char text[8] = "content";
  int fd = open("file", O_RDWR | O_CREAT, 0600);
  struct iocb operation = {.aio_fildes = (unsigned)fd, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_data = 77};
  struct iocb *operations[] = {&operation};
  struct io_event event;
  operation.aio_buf = (unsigned long)text, operation.aio_nbytes = sizeof text;
  if (syscall(SYS_io_setup, 8, &context) != 0) SKIP("the kernel has no AIO");
  CHECK_EQUAL(syscall(SYS_io_submit, context, 1, operations), 1);

  ready_and_wait();
  CHECK_EQUAL(syscall(SYS_io_getevents, context, 1, 1, &event, NULL), 1);
  CHECK_EQUAL(event.data, 77);
  CHECK_EQUAL(event.res, sizeof text);
  CHECK(syscall(SYS_io_destroy, context) == 0);
  return pass();
}
