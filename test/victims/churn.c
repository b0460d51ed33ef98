/* churn memory|descriptors|credentials|children: something changes without pause, whenever one looks. */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "pattern.h"

static const char *kind;
static volatile int stopping;

static void change_memory(unsigned turn) {
  char *memory = map_anonymous(8);
  fill(memory, 8 * PAGE, turn);
  CHECK(mprotect(memory + PAGE, PAGE, PROT_NONE) == 0 && munmap(memory + 3 * PAGE, PAGE) == 0);
  CHECK(is_filled(memory, PAGE, turn));
  CHECK(munmap(memory, 8 * PAGE) == 0);
}

static void change_descriptors(unsigned turn) {
  int fd = open("file", O_RDWR | O_CREAT, 0644), copy = dup2(fd, 100 + (int)turn % 50);
  CHECK(fd >= 0 && copy >= 0 && lseek(copy, turn, SEEK_SET) == turn && lseek(fd, 0, SEEK_CUR) == turn);
  CHECK(close(fd) == 0 && close(copy) == 0);
}

static void change_credentials(unsigned turn) {
  CHECK(setresuid((uid_t)-1, 1000 + turn % 2, (uid_t)-1) == 0);
  CHECK_EQUAL(geteuid(), 1000 + turn % 2);
  CHECK(setresuid((uid_t)-1, 0, (uid_t)-1) == 0);
}

static void change_children(unsigned turn) {
  pid_t child = fork();
  int status;
  CHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit((int)turn & 0x7f);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_EQUAL(status, (turn & 0x7f) << 8);
}

static void *change(void *unused) {
  (void)unused;
  for (unsigned turn = 0; !stopping; turn++) {
    if (strcmp(kind, "memory") == 0) change_memory(turn);
    if (strcmp(kind, "descriptors") == 0) change_descriptors(turn);
    if (strcmp(kind, "credentials") == 0) change_credentials(turn);
    if (strcmp(kind, "children") == 0) change_children(turn);
  }
  return NULL;
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  kind = arguments[1];
  if (strcmp(kind, "credentials") == 0) need_root();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
  ready_and_wait();
  stopping = 1;
  CHECK(pthread_join(thread, NULL) == 0);
  return pass();
}
