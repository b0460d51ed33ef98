#include "pattern.h"
#include "proc.h"

static const struct {
  int protection;
  const char *perms;
} kinds[] = {
    {PROT_READ | PROT_WRITE, "rw-p"},
    {PROT_READ, "r--p"},
    {PROT_READ | PROT_EXEC, "r-xp"},
    {PROT_READ | PROT_WRITE | PROT_EXEC, "rwxp"},
    {PROT_WRITE, "-w-p"},
    {PROT_EXEC, "--xp"},
};
#define PAGES 8

int main(void) {
  char *memory[LENGTH(kinds)];
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    memory[i] = map_anonymous(PAGES);
    fill(memory[i], PAGES * PAGE, i);
    CHECK(mprotect(memory[i], PAGES * PAGE, kinds[i].protection) == 0);
  }
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    struct vma vma = vma_at(memory[i]);
    CHECK_SAME_TEXT(vma.perms, kinds[i].perms);
    CHECK_SAME_TEXT(vma.path, "");
    CHECK(mprotect(memory[i], PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
    CHECK(is_filled(memory[i], PAGES * PAGE, i));
    fill(memory[i], PAGES * PAGE, i + 100);
    CHECK(is_filled(memory[i], PAGES * PAGE, i + 100));
  }
  return pass();
}
