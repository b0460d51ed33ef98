#include "victim.h"

int main(void) {
  umask(0135);
  ready_and_wait();
  CHECK_EQUAL(umask(0), 0135);
  return pass();
}
