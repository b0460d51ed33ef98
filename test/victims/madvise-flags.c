#include "pattern.h"
#include "proc.h"

static const struct {
  int advice;
  const char *flag;
} advices[] = {
    {MADV_DONTFORK, "dc"},  {MADV_DONTDUMP, "dd"},   {MADV_MERGEABLE, "mg"},  {MADV_HUGEPAGE, "hg"},
    {MADV_NOHUGEPAGE, "nh"}, {MADV_WIPEONFORK, "wf"}, {MADV_SEQUENTIAL, "sr"}, {MADV_RANDOM, "rr"},
};

int main(void) {
  char *memory[LENGTH(advices)];
  for (size_t i = 0; i < LENGTH(advices); i++) {
    /* Unequal neighbours: equal ones would merge. */
    memory[i] = map_anonymous(4);
    fill(memory[i], 4 * PAGE, i);
    if (madvise(memory[i], 4 * PAGE, advices[i].advice) == 0) {
      CHECK(has_vm_flag(memory[i], advices[i].flag));
    } else {
      CHECK_EQUAL(errno, EINVAL);
      memory[i] = NULL;
    }
  }
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(advices); i++) {
    if (!memory[i]) continue;
    CHECK_EQUAL(advices[i].advice * has_vm_flag(memory[i], advices[i].flag), advices[i].advice);
    CHECK(is_filled(memory[i], 4 * PAGE, i));
    for (size_t other = 0; other < LENGTH(advices); other++) {
      if (other != i) CHECK(!has_vm_flag(memory[i], advices[other].flag));
    }
  }
  return pass();
}
