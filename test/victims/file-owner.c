/* Who gets the signals of a descriptor, and which: F_SETOWN, F_SETOWN_EX, F_SETSIG. */
#include "pattern.h"

int main(void) {
  int process = new_file("a", 1, 1), group = new_file("b", 1, 1), thread = new_file("c", 1, 1);
  struct f_owner_ex owner = {F_OWNER_TID, getpid()}, now;
  CHECK(fcntl(process, F_SETOWN, getpid()) == 0);
  CHECK(fcntl(group, F_SETOWN, -getpgrp()) == 0);
  CHECK(fcntl(thread, F_SETOWN_EX, &owner) == 0);
  CHECK(fcntl(process, F_SETSIG, SIGUSR1) == 0 && fcntl(thread, F_SETSIG, SIGRTMIN + 4) == 0);

  ready_and_wait();
  CHECK_EQUAL(fcntl(process, F_GETOWN), getpid());
  CHECK(fcntl(group, F_GETOWN_EX, &now) == 0);
  CHECK_EQUAL(now.type, F_OWNER_PGRP);
  CHECK_EQUAL(now.pid, getpgrp());
  CHECK(fcntl(thread, F_GETOWN_EX, &now) == 0);
  CHECK_EQUAL(now.type, F_OWNER_TID);
  CHECK_EQUAL(now.pid, getpid());
  CHECK_EQUAL(fcntl(process, F_GETSIG), SIGUSR1);
  CHECK_EQUAL(fcntl(group, F_GETSIG), 0);
  CHECK_EQUAL(fcntl(thread, F_GETSIG), SIGRTMIN + 4);
  return pass();
}
