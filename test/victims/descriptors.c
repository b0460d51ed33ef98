/* One descriptor of a kind: descriptors KIND. It must be the same object afterwards. */
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "seccomp.h"

static int open_pipe(void) {
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK) == 0 && write(ends[1], "in flight", 9) == 9);
  return ends[0];
}

static int open_fifo(void) {
  CHECK(mkfifo("fifo", 0600) == 0);
  int fd = open("fifo", O_RDWR);
  CHECK(write(fd, "in flight", 9) == 9);
  return fd;
}

static int open_unix_socket(void) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && write(ends[1], "in flight", 9) == 9);
  return ends[0];
}

static int open_tcp_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CHECK(bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0 && listen(fd, 5) == 0);
  return fd;
}

static int open_udp_socket(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }
static int open_netlink_socket(void) { return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }
static int open_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int open_eventfd(void) { return eventfd(5, EFD_CLOEXEC); }
static int open_inotify(void) { return inotify_init1(0); }
static int open_fanotify(void) { return fanotify_init(FAN_CLASS_NOTIF, O_RDONLY); }
static int open_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, 0); }
static int open_pidfd(void) { return (int)syscall(SYS_pidfd_open, getpid(), 0); }
static int open_namespace(void) { return open("/proc/self/ns/uts", O_RDONLY); }
static int open_terminal(void) { return posix_openpt(O_RDWR | O_NOCTTY); }
static int open_secret_memory(void) { return (int)syscall(447 /* memfd_secret */, 0); }
static int open_userfaultfd(void) { return (int)syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */); }
static int open_mount_tree(void) { return (int)syscall(428 /* open_tree */, AT_FDCWD, "/", 1 /* a clone */); }

static int open_signalfd(void) {
  sigset_t set = set_of(SIGUSR1);
  return signalfd(-1, &set, 0);
}

static int open_epoll(void) {
  int fd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, open_eventfd(), &event) == 0);
  return fd;
}

static int open_io_uring(void) {
  struct io_uring_params parameters = {0};
  return (int)syscall(425 /* io_uring_setup */, 4, &parameters);
}

static int open_perf_event(void) {
  struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes};
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static int open_bpf_map(void) {
  union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8};
  attributes.max_entries = 2;
  return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

static int open_message_queue(void) {
  char name[32];
  sprintf(name, "victim-%d", getpid());
  int fd = (int)syscall(SYS_mq_open, name, O_RDWR | O_CREAT, 0600, NULL);
  syscall(SYS_mq_unlink, name);
  return fd;
}

static int open_seccomp_listener(void) {
  struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = 1, .filter = &code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int open_landlock(void) {
  uint64_t handled = 1 /* LANDLOCK_ACCESS_FS_EXECUTE */;
  return (int)syscall(444 /* landlock_create_ruleset */, &handled, sizeof handled, 0);
}

#define KIND(name) {#name, open_##name}
static const struct {
  const char *name;
  int (*open)(void);
} kinds[] = {
    KIND(pipe), KIND(fifo), KIND(unix_socket), KIND(tcp_socket), KIND(udp_socket), KIND(netlink_socket),
    KIND(packet_socket), KIND(eventfd), KIND(epoll), KIND(timerfd), KIND(signalfd), KIND(inotify),
    KIND(fanotify), KIND(pidfd), KIND(namespace), KIND(terminal), KIND(secret_memory), KIND(userfaultfd),
    KIND(mount_tree), KIND(io_uring), KIND(perf_event), KIND(bpf_map), KIND(message_queue),
    KIND(seccomp_listener), KIND(landlock),
};

int main(int count, char **arguments) {
  size_t i = 0;
  CHECK(count == 2);
  while (strcmp(kinds[i].name, arguments[1]) != 0) CHECK(++i < LENGTH(kinds));
  int fd = kinds[i].open();
  if (fd < 0) {
    say("SKIP: this machine has none: %s\n", strerror(errno));
    return 77;
  }
  struct stat before, now;
  const int flags = fcntl(fd, F_GETFL);
  char content[9];
  CHECK(fstat(fd, &before) == 0);

  ready_and_wait();
  CHECK(fstat(fd, &now) == 0);
  CHECK_EQUAL(now.st_ino, before.st_ino);
  CHECK_EQUAL(fcntl(fd, F_GETFL), flags);
  if (i < 3) CHECK(read(fd, content, 9) == 9 && memcmp(content, "in flight", 9) == 0);
  return pass();
}
