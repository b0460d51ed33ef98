#include "victim.h"

int main(void) {
  volatile unsigned long count = 0, products = 0;
  let_go_interrupt();
  ready();
  while (!told_to_go) {
    count++;
    products += 3;
  }
  CHECK(count > 0);
  CHECK_EQUAL(products, 3 * count);
  return pass();
}
