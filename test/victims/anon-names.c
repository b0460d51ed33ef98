/* Named anonymous memory, whose name keeps it apart from its neighbour. */
#include <sys/prctl.h>

#include "pattern.h"
#include "proc.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

int main(void) {
  char *memory = map_anonymous(6);
  fill(memory, 6 * PAGE, 1);
  if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory, 2 * PAGE, "first") != 0) SKIP("no such names here");
  CHECK(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory + 2 * PAGE, 2 * PAGE, "second one") == 0);
  ready_and_wait();
  CHECK_SAME_TEXT(vma_at(memory).path, "[anon:first]");
  CHECK_SAME_TEXT(vma_at(memory + 2 * PAGE).path, "[anon:second one]");
  CHECK_SAME_TEXT(vma_at(memory + 4 * PAGE).path, "");
  CHECK(is_filled(memory, 6 * PAGE, 1));
  return pass();
}
