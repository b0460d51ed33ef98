/*
 * The shim: what neither TypeScript nor WebAssembly can do. Freestanding (no libc), so that one file
 * loads under glibc old and new, and musl. It decides nothing: it makes the one system call it is asked
 * for, waits with a deadline, and spawns the seed. Every function returns -errno on failure.
 */
typedef unsigned long u64;
typedef unsigned int u32;

#define EXPORT __attribute__((visibility("default")))

enum {
	NR_rt_sigaction = 13,
	NR_rt_sigprocmask = 14,
	NR_sched_yield = 24,
	NR_nanosleep = 35,
	NR_execve = 59,
	NR_exit = 60,
	NR_wait4 = 61,
	NR_ptrace = 101,
	NR_prctl = 157,
	NR_gettid = 186,
	NR_timer_create = 222,
	NR_timer_settime = 223,
	NR_timer_delete = 226,
	NR_clock_gettime = 228,
	NR_clone3 = 435,
	NR_close_range = 436,
};

static inline long syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define CALL(nr, a, b, c, d) syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* One system call of the host itself. Pointers are passed as numbers: see cw_address. */
EXPORT long cw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	return syscall6(nr, a, b, c, d, e, f);
}

/* The address of a buffer that the host holds, for structures that contain pointers (iovec). */
EXPORT u64 cw_address(const void *buffer)
{
	return (u64)buffer;
}

struct timespec {
	long sec;
	long nsec;
};

static long now_us(void)
{
	struct timespec t;

	CALL(NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &t, 0, 0);
	return t.sec * 1000000 + t.nsec / 1000;
}

/*
 * waitpid for one pid, at most timeout_us long: returns the pid, 0 when time is up, or -errno.
 * A stop comes within microseconds as a rule, so it spins politely before it sleeps.
 */
EXPORT long cw_wait(int pid, int options, long timeout_us, int *status)
{
	const long wnohang = 1;
	long began = now_us();

	for (long round = 0;; round++) {
		long ret = CALL(NR_wait4, pid, status, options | wnohang, 0);

		if (ret != 0)
			return ret;
		long waited = now_us() - began;

		if (waited >= timeout_us)
			return 0;
		if (waited < 500) {
			CALL(NR_sched_yield, 0, 0, 0, 0);
		} else {
			struct timespec nap = { 0, waited < 20000 ? 50000 : 500000 };

			CALL(NR_nanosleep, &nap, 0, 0, 0);
		}
	}
}

enum { SIG_UNBLOCK = 1, SIG_SETMASK = 2, SIGALRM = 14 };

/* The signal handler's way back into what was interrupted. */
void restore_from_signal(void) __attribute__((visibility("hidden")));
__asm__("restore_from_signal: mov $15, %eax\n\tsyscall");

/* Has a ptrace call that was interrupted, and would be made again, return -EINTR. `context`: a ucontext. */
static void end_ptrace_call(int number, void *info, u64 *context)
{
	enum { RAX = 18, RIP = 21 };
	const unsigned short syscall_instruction = 0x050f;

	(void)number, (void)info;
	if (context[RAX] != NR_ptrace || *(const unsigned short *)context[RIP] != syscall_instruction)
		return;
	context[RAX] = (u64)-4;
	context[RIP] += sizeof(syscall_instruction);
}

/* The last of the watched signals that came; 0: none has. */
static volatile int watched_signal;

static void note_signal(int number)
{
	watched_signal = number;
}

/*
 * From now on the signal is noted, once, instead of ending the host: whatever it is in the middle of, it can
 * then break off where it knows how. A second one is obeyed. `old`: 32 bytes that put things back by
 * rt_sigaction.
 */
EXPORT long cw_watch_signal(int number, u64 *old)
{
	const struct { void *handler; u64 flags; void *restorer; u64 mask; } action = {
		note_signal, 0x94000000 /* SA_RESTORER | SA_RESTART | SA_RESETHAND */, restore_from_signal, 0
	};

	watched_signal = 0;
	return CALL(NR_rt_sigaction, number, &action, old, 8);
}

EXPORT long cw_watched_signal(void)
{
	return watched_signal;
}

/*
 * PTRACE_SEIZE with a deadline: -EINTR when time is up. It waits for an exec of the target that is under way,
 * and that may wait for the end of a thread that is traced already, which only this tracer can take notice
 * of: without a deadline both would wait for ever.
 */
EXPORT long cw_seize(int tid, long options, long timeout_us)
{
	const struct { void *handler; u64 flags; void *restorer; u64 mask; } action = {
		end_ptrace_call, 0x04000004 /* SA_RESTORER | SA_SIGINFO */, restore_from_signal, 0
	};
	const struct { u64 value; int signal, notify, tid, unused[11]; } event = {
		.signal = SIGALRM, .notify = 4 /* SIGEV_THREAD_ID */, .tid = CALL(NR_gettid, 0, 0, 0, 0)
	};
	/* Over and over, in case it comes just before the call. */
	const struct { struct timespec interval, first; } times = {
		{ 0, 10000000 }, { timeout_us / 1000000, timeout_us % 1000000 * 1000 }
	};
	const u64 alarm = 1UL << (SIGALRM - 1);
	u64 old_action[4], old_mask;
	int timer;
	long ret = CALL(NR_timer_create, 1 /* CLOCK_MONOTONIC */, &event, &timer, 0);

	if (ret < 0)
		return ret;
	CALL(NR_rt_sigaction, SIGALRM, &action, old_action, 8);
	CALL(NR_rt_sigprocmask, SIG_UNBLOCK, &alarm, &old_mask, 8);
	CALL(NR_timer_settime, timer, 0, &times, 0);
	ret = CALL(NR_ptrace, 0x4206 /* PTRACE_SEIZE */, tid, 0, options);
	CALL(NR_timer_delete, timer, 0, 0, 0);
	CALL(NR_rt_sigprocmask, SIG_SETMASK, &old_mask, 0, 8);
	CALL(NR_rt_sigaction, SIGALRM, old_action, 0, 8);
	return ret;
}

/* struct clone_args of linux/sched.h, its first 80 bytes (CLONE_ARGS_SIZE_VER1). */
struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
};

/* Runs on the parent's stack while the parent is suspended (CLONE_VFORK): its own frame, and no return. */
static __attribute__((noinline, noreturn)) void become_seed(const char *path, volatile long *failure)
{
	const char *argv[] = { "criu-wasm-seed", 0 };
	const char *envp[] = { 0 };
	u64 all_signals = ~0UL;

	/* The seed must not outlive a host that dies; all signals wait until the task's own mask is set. */
	CALL(NR_prctl, 1 /* PR_SET_PDEATHSIG */, 9 /* SIGKILL */, 0, 0);
	CALL(NR_rt_sigprocmask, SIG_SETMASK, &all_signals, 0, 8);
	CALL(NR_close_range, 0, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */, 0);
	*failure = CALL(NR_execve, path, argv, envp, 0);
	for (;;)
		CALL(NR_exit, 127, 0, 0, 0);
}

/*
 * Spawns the seed (a static ELF that only waits) as a child of the host with the given pid, or any pid
 * for 0. Returns the pid. clone_flags: namespaces to make, or 0.
 */
EXPORT long cw_spawn(const char *path, int pid, u64 clone_flags)
{
	const u64 vm_vfork = 0x00000100 | 0x00004000;
	volatile long failure = 0;
	u64 set_tid[1] = { (u64)(u32)pid };
	struct clone_args args = {
		.flags = vm_vfork | clone_flags,
		/* A sibling of the host (CLONE_PARENT) ends with the signal that the host ends with. */
		.exit_signal = clone_flags & 0x8000 ? 0 : 17 /* SIGCHLD */,
		.set_tid = pid ? (u64)set_tid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	long ret = CALL(NR_clone3, &args, sizeof(args), 0, 0);

	if (ret == 0)
		become_seed(path, &failure);
	if (ret > 0 && failure < 0) {
		CALL(NR_wait4, ret, 0, 0, 0);
		return failure;
	}
	return ret;
}

extern const unsigned char cw_blob_start[], cw_blob_stand[], cw_blob_end[];

/* Where in the blob a thread stands when its batch is done. */
EXPORT long cw_blob_stands_at(void)
{
	return cw_blob_stand - cw_blob_start;
}

/* Copies the batch blob (see blob.S) into `to`; returns its size, or -ERANGE when `room` is too small. */
EXPORT long cw_blob(unsigned char *to, long room)
{
	long size = cw_blob_end - cw_blob_start;

	if (size > room)
		return -34;
	for (long i = 0; i < size; i++)
		((volatile unsigned char *)to)[i] = cw_blob_start[i];
	return size;
}
