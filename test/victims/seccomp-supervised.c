/* A filter asks a supervisor what to answer; that one is gone, so that the call fails. */
#include "seccomp.h"

static int ask(void) {
  errno = 0;
  return (int)syscall(SYS_getppid);
}

int main(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = LENGTH(code), .filter = code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  CHECK(listener >= 0 && close(listener) == 0);
  CHECK(ask() == -1 && errno == ENOSYS);

  ready_and_wait();
  CHECK(ask() == -1 && errno == ENOSYS);
  return pass();
}
