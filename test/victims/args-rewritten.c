/* PR_SET_MM_ARG_START and its like show in /proc/self/cmdline memory that is not the program's old stack. */
#include <sys/prctl.h>

#include <linux/prctl.h>

#include "pattern.h"
#include "proc.h"

int main(void) {
  need_root();
  struct prctl_mm_map mm = {.exe_fd = (unsigned)-1};
  unsigned long code_end, stack_start;
  char *stat = strrchr(slurp("/proc/self/stat"), ')');
  /* After the name: fields 3 to 25, then start of code, end of code, start of stack. */
  for (int field = 3; field < 27; field++) CHECK((stat = strchr(stat + 1, ' ')));
  CHECK(sscanf(stat, " %llu %lu %lu", &mm.start_code, &code_end, &stack_start) == 3);
  mm.end_code = code_end, mm.start_stack = stack_start;
  mm.start_data = mm.end_data = (unsigned long)&told_to_go;
  mm.start_brk = mm.brk = (unsigned long)sbrk(0);

  char *page = map_anonymous(1);
  strcpy(page, "new name");
  strcpy(page + 100, "NEW=environment");
  mm.arg_start = (unsigned long)page, mm.arg_end = mm.arg_start + strlen(page) + 1;
  mm.env_start = mm.arg_start + 100, mm.env_end = mm.env_start + strlen(page + 100) + 1;
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &mm, sizeof mm, 0) != 0) SKIP("the kernel refuses PR_SET_MM_MAP");

  ready_and_wait();
  CHECK_SAME_TEXT(slurp("/proc/self/cmdline"), "new name");
  CHECK_SAME_TEXT(slurp("/proc/self/environ"), "NEW=environment");
  return pass();
}
