/* Code that is in no file: written to memory, and over the program's own. */
#include "pattern.h"

/* mov eax, imm32; ret */
static const unsigned char returns_7[] = {0xb8, 7, 0, 0, 0, 0xc3};
typedef int (*Function)(void);

__attribute__((noinline, aligned(4096))) static int patched(void) {
  __asm__ volatile("");
  return 1;
}

int main(void) {
  char *both = map(1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  char *first = map_anonymous(1);
  memcpy(both, returns_7, sizeof returns_7);
  memcpy(first, returns_7, sizeof returns_7);
  CHECK(mprotect(first, PAGE, PROT_READ | PROT_EXEC) == 0);
  Function volatile own = patched;
  CHECK_EQUAL(own(), 1);
  char *page = (char *)((unsigned long)patched & -PAGE);
  CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  memcpy((char *)patched, returns_7, sizeof returns_7);
  CHECK(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);

  ready_and_wait();
  CHECK_EQUAL(((Function)both)(), 7);
  CHECK_EQUAL(((Function)first)(), 7);
  CHECK_EQUAL(own(), 7);
  both[1] = 9;
  CHECK_EQUAL(((Function)both)(), 9);
  return pass();
}
