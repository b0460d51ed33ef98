/**
 * All victims: what each holds while it waits, and what it checks afterwards. A victim is a program and its
 * arguments, so that one source can serve several closely related features.
 */

export type Area =
  | "memory"
  | "threads"
  | "signals"
  | "waiting"
  | "timers"
  | "attributes"
  | "files"
  | "refused"
  | "hostile";

export interface VictimEntry {
  name: string;
  area: Area;
  /** One line: what it holds and what it checks. */
  checks: string;
  /** File in test/victims; NAME.c when not given. */
  source?: string;
  args?: string[];
  /** Another program with its arguments, in place of a source. */
  command?: string[];
  /** Linked without shared libraries. */
  static?: boolean;
  /** The kernel may have been told not to execute it: then the test skips. */
  mayNotExecute?: boolean;
  /** State letters of /proc/PID/stat in which it waits; "S" when not given. */
  states?: string;
  /** What tells it to go; SIGTERM when not given. */
  goSignals?: NodeJS.Signals[];
  /** What it waits in has a limit of time, and ends whenever the process is stopped, as signal(7) says. */
  endsWhenStopped?: boolean;
  /** It ends without being told to. */
  endsBySelf?: boolean;
  /** Options that its dump needs. */
  dumpArgs?: string[];
  /** A dump has to be refused, with a message like this. */
  refusedAs?: RegExp;
}

type Row = string | Omit<VictimEntry, "name" | "area">;

function inArea(area: Area, rows: Record<string, Row>): VictimEntry[] {
  return Object.entries(rows).map(([name, row]) => ({
    name,
    area,
    ...(typeof row === "string" ? { checks: row } : row),
  }));
}

const memory = inArea("memory", {
  counter: { states: "R", checks: "a busy loop that only counts goes on counting" },
  "counter-static": { source: "counter.c", static: true, states: "R", checks: "without shared libraries" },
  "anon-private": "private anonymous mappings of each protection: content and protection",
  "anon-shared": "two mappings of one shared anonymous object stay one",
  "file-private": "an untouched private file mapping still maps that file at its offset",
  "file-shared": "writes through a shared file mapping reach the file, and the other way",
  "file-cow": "written pages of a private file mapping stay private, the others come from the file",
  "file-deleted": "private and shared mappings of a file that has no name any more",
  "prot-none": "content under PROT_NONE is there when access is given back",
  "heap-grows": "the break is where it was, and the heap grows on from there",
  "stack-grows": "the stack and a MAP_GROWSDOWN mapping keep what they have, and grow on",
  "guard-pages": "MADV_GUARD_INSTALL pages still fault, their neighbours still have their content",
  "madvise-flags": "VmFlags after DONTFORK, DONTDUMP, MERGEABLE, (NO)HUGEPAGE, WIPEONFORK, access hints",
  mlock: "mlock and mlock2: flags, amount, and that MLOCK_ONFAULT pages are not populated",
  mlockall: "MCL_CURRENT and MCL_FUTURE, which also locks what is mapped afterwards",
  memfd: "sealed, unnamed, and only mapped memfds: seals, names, modes, offset, content, aliasing",
  droppable: "memory that the kernel may drop (MAP_DROPPABLE) stays so",
  "memfd-executed": "a program in a memfd that is open and mapped for writing can be executed",
  "shared-opened": "shared anonymous memory that is open under a descriptor, and mapped privately too",
  "args-env-auxv": {
    args: ["first", "second \n argument"],
    checks: "cmdline, environ, auxv, comm, exe link",
  },
  "args-rewritten": "cmdline and environ moved by PR_SET_MM_MAP",
  vdso: "calls through the vDSO work, at the old address, and no clock runs backwards",
  "vma-boundaries": "merged and unmergeable neighbours, and 4,000 mappings",
  "vma-extremes": "lowest and highest user addresses, and 1 TiB of address space with three pages",
  "pages-100k": "each of 100,000 pages has its own content",
  hugetlb: { refusedAs: /huge/i, checks: "hugetlb pages" },
  "zero-pages": "untouched, read, zeroed and discarded pages among filled ones",
  "mremap-holes": "moved, grown, shrunk and punched mappings",
  "code-at-runtime": "code in anonymous memory and written over the program's own",
  "file-past-end": "mapped pages past the end of their file, whose reading is a SIGBUS",
  "exe-deleted": "the program's own file is unlinked",
  "file-odd-names": "open and mapped files with spaces, newlines and invalid UTF-8 in their names",
  "anon-names": "anonymous memory with names",
  mempolicy: "memory policy of the task and of a mapping",
  rounds: {
    states: "R",
    checks: "pages that are written one after the other without pause are of one moment",
  },
});

const threads = inArea("threads", {
  "threads-tls": "20 threads: thread-local memory, ids, joining, and that new ones can be made",
  "threads-futex": "100 threads that contend for a mutex and wait for a condition",
  registers: {
    states: "R",
    checks: "general, x87, SSE, AVX registers and control words of six busy threads",
  },
  "robust-mutex": "the robust lists: a thread that ends with a lock is noticed",
  rseq: "the registrations for restartable sequences",
  "rseq-section": "a thread inside a critical section leaves it through its abort handler",
  "thread-names": "names of threads, also empty ones and ones that are not UTF-8",
  "thread-scheduling": "policy, priority, nice, affinity, timer slack, I/O priority of each thread",
  "thread-creds": "ids, groups and capabilities that differ from thread to thread",
  "gs-base": "the GS base of each thread",
});

const signals = inArea("signals", {
  "signal-actions": "all 64 actions: handler, flags, mask, restorer",
  "signal-masks": "blocked signals of each thread",
  "signal-pending": "pending signals of process and threads: order, values, senders",
  "signal-flood": "thousands of pending signals, and one without siginfo",
  sigaltstack: "alternate stacks of threads, SS_AUTODISARM too, and that handlers run on them",
  "in-handler": "it waits inside a nested handler on an alternate stack, then returns from it",
  ...Object.fromEntries(
    ["ignored", "handled", "blocked", "pending"].map((how) => [
      `sigtrap-${how}`,
      { source: "sigtrap.c", args: [how], checks: `SIGTRAP ${how}, and what it does afterwards` },
    ]),
  ),
  "all-signals-blocked": "every signal is blocked, also the one to go",
});

const waiting = inArea("waiting", {
  ...Object.fromEntries(
    [
      "pause",
      "nanosleep",
      "clock_nanosleep",
      "poll",
      "ppoll",
      "select",
      "futex",
      "futex-timed",
      "futex-until",
      "sigwaitinfo",
    ].map((how) => [
      `wait-${how}`,
      { source: "wait.c", args: [how], checks: `${how} goes on waiting, or ends with EINTR` },
    ]),
  ),
  "wait-sigtimedwait": {
    source: "wait.c",
    args: ["sigtimedwait"],
    endsWhenStopped: true,
    checks: "sigtimedwait goes on waiting, or ends with EINTR",
  },
  "sleep-exact": "short sleeps, over and over, none of which may end early",
  stopped: { states: "T", goSignals: ["SIGTERM", "SIGCONT"], checks: "stopped by SIGSTOP, it stays so" },
});

const timers = inArea("timers", {
  itimers: "the three interval timers: rest and interval",
  "timers-firing": "timers that fire all the time go on firing",
  "posix-timers": "ids with gaps, clocks, notification, values, rest and interval",
  "timer-overrun": "an expired timer whose signal is blocked, and its overruns",
  "timer-counts": "how often timers had expired when their signal was taken, or was not yet",
  "timer-signals": "signals of expired timers that wait among others: order, and that each comes once",
  "timer-ids": "ids that are thousands apart",
  ...each("timer-clock", "timer-clocks.c", ["own", "named"], { checks: "a timer of one thread's CPU time" }),
});

const prctls = [
  "subreaper",
  "parent-death-signal",
  "keep-capabilities",
  "securebits",
  "no-new-privileges",
  "not-dumpable",
  "timer-slack",
  "no-tsc",
  "machine-check",
  "no-huge-pages",
  "no-huge-pages-unless-advised",
  "memory-merge",
  "deny-write-execute",
  "io-flusher",
  "no-store-bypass",
  "no-indirect-branches",
  "flush-l1d",
  "futex-hash",
  "timer-restore-ids",
];

const attributes = inArea("attributes", {
  ...Object.fromEntries(
    prctls.map((name) => [name, { source: "prctl.c", args: [name], checks: `the prctl attribute ${name}` }]),
  ),
  ...Object.fromEntries(
    [
      ["oom_score_adj", "321"],
      ["coredump_filter", "0x17"],
      ["loginuid", "1234"],
    ].map((args) => [
      args[0],
      { source: "proc-attribute.c", args, checks: `/proc/self/${args[0]} is ${args[1]}` },
    ]),
  ),
  ordinary: "every attribute is as the kernel gives it",
  membarrier: "registrations for memory barriers on all threads",
  creds: "real, effective, saved and file system ids, 100 groups",
  capabilities: "inheritable, permitted, effective, bounding and ambient capabilities",
  "seccomp-strict": { states: "R", checks: "strict seccomp: no system call but four" },
  "seccomp-filters": "several filters, common ones and ones of single threads",
  "seccomp-kill": "a filter that kills at every system call that is not the program's own",
  rlimits: "all soft limits and two hard ones",
  personality: "personality flags",
  umask: "umask",
  cwd: "a current directory that was renamed, not UTF-8",
  "cwd-deleted": "a current directory that has been removed",
  chroot: "a root directory without any of the program's files",
  "syscall-dispatch": "syscall user dispatch and its selector",
  "session-orphan": {
    refusedAs: /shell-job/,
    checks: "a member of a session and a group without leaders",
  },
});

const files = inArea("files", {
  "file-offset": "offsets, shared by dup and not shared by opening again",
  "file-flags": "access modes, O_APPEND, O_NONBLOCK, O_SYNC, O_DIRECT, …, FD_CLOEXEC",
  directory: "an open directory, read half",
  "o-path": "O_PATH descriptors of five types of file",
  "file-owner": "F_SETOWN, F_SETOWN_EX, F_SETSIG",
  "ended-process": "files of /proc of a process that has ended",
  "ghost-file": "an unlinked file with a large hole, opened twice",
  "ghost-linked": {
    dumpArgs: ["--link-remap"],
    checks: "files that were renamed, or whose name went but that have another",
  },
  "ghost-special": "an unlinked symbolic link and an unlinked device node",
  "ghost-replaced": "unlinked files whose old name is taken, or whose directory is gone; O_TMPFILE",
  devices: "/dev/null, zero, full, random, urandom; zero also mapped",
  "file-sparse": "offsets beyond 4 GiB",
  "descriptors-many": "6,000 descriptors, gaps, the highest number, no standard input",
  "file-forbidden": "files that the victim itself may no longer open",
});

/** Kinds of `descriptors.c`, and how the message that refuses them is recognised. */
const descriptors: Record<string, RegExp> = {
  pipe: /pipe/,
  fifo: /fifo/i,
  unix_socket: /socket/,
  tcp_socket: /socket/,
  udp_socket: /socket/,
  netlink_socket: /socket/,
  packet_socket: /socket/,
  eventfd: /eventfd/,
  epoll: /epoll/,
  timerfd: /timerfd/,
  signalfd: /signalfd/,
  inotify: /inotify/,
  fanotify: /fanotify/,
  pidfd: /pidfd/,
  namespace: /namespace/,
  terminal: /terminal/,
  secret_memory: /secret/,
  userfaultfd: /userfaultfd/,
  mount_tree: /mount/,
  io_uring: /io_uring/,
  perf_event: /perf/,
  bpf_map: /bpf/i,
  message_queue: /message queue/,
  seccomp_listener: /seccomp/,
  landlock: /landlock/i,
};

const namespaces = [
  "uts",
  "ipc",
  "net",
  "mnt",
  "cgroup",
  "user",
  "pid",
  "time",
  "pid_for_children",
  "time_for_children",
];

/** One row for each of `values`, named PREFIX-VALUE, which is the argument of the program. */
function each(prefix: string, source: string, values: string[], row: Omit<VictimEntry, "name" | "area">) {
  return Object.fromEntries(values.map((value) => [`${prefix}-${value}`, { ...row, source, args: [value] }]));
}

const refused = inArea("refused", {
  ...Object.fromEntries(
    Object.entries(descriptors).map(([kind, refusedAs]) => [
      kind,
      { source: "descriptors.c", args: [kind], refusedAs, checks: `a descriptor: ${kind}` },
    ]),
  ),
  ...each("lock", "locks.c", ["flock", "posix", "ofd"], { refusedAs: /lock/, checks: "a file lock" }),
  ...each("lock", "locks.c", ["lease"], { refusedAs: /lease/, checks: "a lease on a file" }),
  ...each("child", "children.c", ["running", "stopped", "zombie", "vm"], {
    refusedAs: /child/,
    checks: "a child process",
  }),
  ...each("own-namespace", "own-namespace.c", namespaces, {
    refusedAs: /namespace/,
    checks: "a namespace of its own",
  }),
  "shm-sysv": { refusedAs: /System V|SysV/i, checks: "System V shared memory" },
  ...each("timer-clock", "timer-clocks.c", ["unnamed"], {
    refusedAs: /CPU time of one thread/,
    checks: "a timer of one thread's CPU time, which may be any of several",
  }),
  aio: { refusedAs: /aio/i, checks: "an AIO context with a finished operation" },
  "io-uring-mapped": { refusedAs: /io_uring/, checks: "a mapped ring whose descriptor is closed" },
  ...each("thread-own", "thread-apart.c", ["files", "fs", "namespace"], {
    refusedAs: /thread|tid/,
    checks: "a thread that does not share what threads share",
  }),
  "leader-exited": { states: "Z", refusedAs: /leader|main thread/, checks: "the main thread has ended" },
  "deadline-scheduling": { refusedAs: /deadline/i, checks: "SCHED_DEADLINE" },
  "seccomp-supervised": { refusedAs: /supervisor/, checks: "a seccomp filter that asks a supervisor" },
  "program-32-bit": {
    source: "program-32-bit.S",
    mayNotExecute: true,
    refusedAs: /32-bit/,
    checks: "a 32-bit program",
  },
  ...each("traced", "traced.c", ["running"], { refusedAs: /traced|debugger/, checks: "a debugger is there" }),
  ...each("traced", "traced.c", ["stopped"], {
    states: "t",
    refusedAs: /traced|debugger/,
    checks: "a debugger holds it",
  }),
  zombie: { states: "Z", refusedAs: /zombie|ended/, checks: "a zombie: nothing is left to dump" },
  "vfork-parent": {
    states: "D",
    refusedAs: /vfork|child|cannot be stopped/,
    checks: "the parent of a vfork, which cannot be stopped",
  },
});

const hostile = inArea("hostile", {
  ...each("exits", "exits.c", ["0", "300", "3000", "30000"], {
    endsBySelf: true,
    checks: "it ends in the middle, with four threads",
  }),
  "thread-churn": "200 threads that come and go",
  ...each("churn", "churn.c", ["memory", "descriptors", "credentials", "children"], {
    checks: "something changes without pause",
  }),
  ...each("execs", "execs.c", ["leader", "thread", "crowd"], {
    states: "SRD",
    checks: "it executes itself over and over",
  }),
  "signal-storm": { states: "SR", checks: "numbered signals, of which none may be lost" },
  "signals-counted": "counts signals of several numbers",
  "stop-continue": { states: "ST", checks: "stopped and continued without pause by its parent" },
  heartbeat: { states: "R", checks: "says how long it was out at most" },
});

export const victims: VictimEntry[] = [
  ...memory,
  ...threads,
  ...signals,
  ...waiting,
  ...timers,
  ...attributes,
  ...files,
  ...refused,
  ...hostile,
];
