/* Names with a newline, spaces, a backslash, bytes that are not UTF-8, and one that ends in " (deleted)". */
#include "pattern.h"
#include "proc.h"

static const char *names[] = {"new\nline", "two  spaces", "back\\slash \\012",
                              "not \xff\xfe utf-8", "kept (deleted)", "%s-\xc3\xa9"};

int main(void) {
  char *memory[LENGTH(names)], *paths[LENGTH(names)];
  int fds[LENGTH(names)];
  for (size_t i = 0; i < LENGTH(names); i++) {
    fds[i] = new_file(names[i], 2, i);
    memory[i] = map(2, PROT_READ, MAP_SHARED, fds[i]);
    paths[i] = strdup(vma_at(memory[i]).path);
  }
  ready_and_wait();
  for (size_t i = 0; i < LENGTH(names); i++) {
    struct stat open_file, named_file;
    CHECK(fstat(fds[i], &open_file) == 0 && stat(names[i], &named_file) == 0);
    CHECK_EQUAL(open_file.st_ino, named_file.st_ino);
    CHECK_SAME_TEXT(vma_at(memory[i]).path, paths[i]);
    CHECK(is_filled(memory[i], 2 * PAGE, i));
  }
  return pass();
}
