/* own-namespace NAME: in a namespace of its own, NAME as in /proc/self/ns. */
#include <sched.h>

#include "victim.h"

static const struct {
  const char *name;
  int flag;
} namespaces[] = {
    {"uts", CLONE_NEWUTS},   {"ipc", CLONE_NEWIPC},       {"net", CLONE_NEWNET},
    {"mnt", CLONE_NEWNS},    {"cgroup", CLONE_NEWCGROUP}, {"user", CLONE_NEWUSER},
    {"pid", CLONE_NEWPID},   {"time", 0x80 /* CLONE_NEWTIME */},
    {"pid_for_children", CLONE_NEWPID}, {"time_for_children", 0x80},
};

static ino_t inode_of(const char *name) {
  char path[64];
  struct stat file = {0};
  sprintf(path, "/proc/self/ns/%s", name);
  /* pid_for_children leads nowhere until the first child is born. */
  CHECK(stat(path, &file) == 0 || errno == ENOENT);
  return file.st_ino;
}

int main(int count, char **arguments) {
  size_t i = 0;
  CHECK(count == 2);
  while (strcmp(namespaces[i].name, arguments[1]) != 0) CHECK(++i < LENGTH(namespaces));
  ino_t original = inode_of(arguments[1]);
  if (unshare(namespaces[i].flag) != 0) SKIP("not allowed to make namespaces");
  if (strcmp(arguments[1], "pid") == 0 || strcmp(arguments[1], "time") == 0) {
    /* These begin with a child, whose pid only the parent knows. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
      say("READY %d\n", child);
      _exit(0);
    }
  } else {
    ready();
  }
  ino_t own = inode_of(arguments[1]);
  /* /proc belongs to the outer pid namespace, where `self` is not this. */
  CHECK(own != original);
  await_go();
  CHECK_EQUAL(inode_of(arguments[1]), own);
  return pass();
}
