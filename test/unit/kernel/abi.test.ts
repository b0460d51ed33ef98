import assert from "node:assert/strict";
import { test } from "node:test";
import * as auxv from "../../../ts-host/kernel/abi/auxv.ts";
import * as capability from "../../../ts-host/kernel/abi/capability.ts";
import * as elf from "../../../ts-host/kernel/abi/elf.ts";
import * as fcntl from "../../../ts-host/kernel/abi/fcntl.ts";
import * as kcmp from "../../../ts-host/kernel/abi/kcmp.ts";
import type { Layout } from "../../../ts-host/kernel/abi/layout.ts";
import * as ldt from "../../../ts-host/kernel/abi/ldt.ts";
import * as magic from "../../../ts-host/kernel/abi/magic.ts";
import * as membarrier from "../../../ts-host/kernel/abi/membarrier.ts";
import * as mempolicy from "../../../ts-host/kernel/abi/mempolicy.ts";
import * as mman from "../../../ts-host/kernel/abi/mman.ts";
import * as netlink from "../../../ts-host/kernel/abi/netlink.ts";
import * as pagemap from "../../../ts-host/kernel/abi/pagemap.ts";
import * as prctl from "../../../ts-host/kernel/abi/prctl.ts";
import * as ptrace from "../../../ts-host/kernel/abi/ptrace.ts";
import * as resource from "../../../ts-host/kernel/abi/resource.ts";
import * as sched from "../../../ts-host/kernel/abi/sched.ts";
import * as seccomp from "../../../ts-host/kernel/abi/seccomp.ts";
import * as signal from "../../../ts-host/kernel/abi/signal.ts";
import * as socket from "../../../ts-host/kernel/abi/socket.ts";
import * as splice from "../../../ts-host/kernel/abi/splice.ts";
import * as termios from "../../../ts-host/kernel/abi/termios.ts";
import * as thread from "../../../ts-host/kernel/abi/thread.ts";
import * as time from "../../../ts-host/kernel/abi/time.ts";
import * as uio from "../../../ts-host/kernel/abi/uio.ts";
import * as userfaultfd from "../../../ts-host/kernel/abi/userfaultfd.ts";
import * as wait from "../../../ts-host/kernel/abi/wait.ts";
import { compiler, cValues, type Question } from "./c-values.ts";

interface Section {
  module: Record<string, unknown>;
  headers: string[];
}

/** Each module with the headers that it is about; libc's own would clash with some of the kernel's. */
const SECTIONS: Record<string, Section> = {
  auxv: { module: auxv, headers: ["linux/auxvec.h"] },
  capability: { module: capability, headers: ["linux/capability.h"] },
  elf: { module: elf, headers: ["sys/procfs.h", "linux/elf.h"] },
  fcntl: { module: fcntl, headers: ["linux/fcntl.h", "linux/fs.h", "linux/stat.h"] },
  kcmp: { module: kcmp, headers: ["linux/kcmp.h"] },
  ldt: { module: ldt, headers: ["asm/ldt.h"] },
  magic: { module: magic, headers: ["linux/magic.h"] },
  membarrier: { module: membarrier, headers: ["linux/membarrier.h"] },
  mempolicy: { module: mempolicy, headers: ["linux/mempolicy.h"] },
  mman: { module: mman, headers: ["linux/mman.h", "linux/memfd.h"] },
  netlink: {
    module: netlink,
    headers: [
      "linux/netlink.h",
      "linux/rtnetlink.h",
      "linux/sock_diag.h",
      "linux/inet_diag.h",
      "linux/net_namespace.h",
    ],
  },
  pagemap: { module: pagemap, headers: ["linux/fs.h"] },
  prctl: { module: prctl, headers: ["linux/prctl.h", "asm/prctl.h", "linux/securebits.h"] },
  ptrace: { module: ptrace, headers: ["sys/user.h", "linux/ptrace.h", "linux/elf.h"] },
  resource: { module: resource, headers: ["linux/resource.h", "asm/resource.h"] },
  sched: {
    module: sched,
    headers: ["linux/sched.h", "linux/sched/types.h", "linux/resource.h", "linux/ioprio.h"],
  },
  seccomp: { module: seccomp, headers: ["linux/seccomp.h", "linux/filter.h"] },
  signal: { module: signal, headers: ["linux/types.h", "linux/signal.h"] },
  socket: {
    module: socket,
    headers: ["sys/socket.h", "netinet/in.h", "netinet/tcp.h", "linux/un.h", "linux/sockios.h"],
  },
  splice: { module: splice, headers: ["fcntl.h"] },
  termios: { module: termios, headers: ["asm/termbits.h", "asm/termios.h"] },
  thread: { module: thread, headers: ["linux/futex.h", "linux/rseq.h"] },
  time: { module: time, headers: ["linux/time.h", "linux/timerfd.h", "linux/fcntl.h"] },
  uio: { module: uio, headers: ["linux/uio.h"] },
  userfaultfd: { module: userfaultfd, headers: ["linux/userfaultfd.h", "sys/ioctl.h"] },
  wait: { module: wait, headers: ["linux/wait.h"] },
};

/** In the headers these are enumerators: no #ifdef sees them. */
const ENUMERATORS = /^(KCMP_|IOPRIO_WHO_|IOPRIO_CLASS_(RT|BE|IDLE)|MPOL_|RSEQ_FLAG_|TCP_RECV_QUEUE|NETNSA_)/;

/** Its definition in the header needs a macro that only the kernel has. */
const NOT_FOR_PROGRAMS = ["SIGRTMAX"];

/** Where our name of a field is not the header's; null: the header has no such field. */
const FIELD_IN_C: Record<string, string | null> = {
  "user_regs_struct.bp": "rbp",
  "user_regs_struct.bx": "rbx",
  "user_regs_struct.ax": "rax",
  "user_regs_struct.cx": "rcx",
  "user_regs_struct.dx": "rdx",
  "user_regs_struct.si": "rsi",
  "user_regs_struct.di": "rdi",
  "user_regs_struct.orig_ax": "orig_rax",
  "user_regs_struct.ip": "rip",
  "user_regs_struct.flags": "eflags",
  "user_regs_struct.sp": "rsp",
  "siginfo.rest": null,
  "siginfo.padding": null,
  "user_desc.flags": null,
  "sockaddr_in.pad": "sin_zero",
  "uffd_msg.arg0": "arg.reserved.reserved1",
  "uffd_msg.arg1": "arg.reserved.reserved2",
  "uffd_msg.arg2": "arg.reserved.reserved3",
};

/** Structures that came later than the oldest headers we build with, and a macro that came with them. */
const NEWER_STRUCTURES: Record<string, string> = {
  pm_scan_arg: "PAGEMAP_SCAN",
  page_region: "PAGEMAP_SCAN",
  ptrace_sud_config: "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG",
};

function isLayout(value: unknown): value is Layout<object> {
  return typeof value === "object" && value !== null && "offsets" in value;
}

function constantsOf(module: Record<string, unknown>): [string, bigint][] {
  return Object.entries(module)
    .filter(([name]) => /^[A-Z_]/.test(name) && !NOT_FOR_PROGRAMS.includes(name))
    .filter(([, value]) => typeof value === "number" || typeof value === "bigint")
    .map(([name, value]) => [name, BigInt.asUintN(64, BigInt(value as number | bigint))]);
}

/** What our modules say and the headers should say too. */
function claims(module: Record<string, unknown>): { question: Question; ours: bigint }[] {
  const numbers = constantsOf(module).map(([name, ours]) => ({
    question: { name, expression: name, guard: ENUMERATORS.test(name) ? undefined : name },
    ours,
  }));
  const layouts = Object.values(module).filter(isLayout);
  const extents = layouts.flatMap((layout) => {
    const guard = NEWER_STRUCTURES[layout.name];
    const fields = Object.entries(layout.offsets as Record<string, number>).flatMap(([field, offset]) => {
      const inC = FIELD_IN_C[`${layout.name}.${field}`];
      if (inC === null) return [];
      const expression = `offsetof(struct ${layout.name}, ${inC ?? field})`;
      return [{ question: { name: `${layout.name}.${field}`, expression, guard }, ours: BigInt(offset) }];
    });
    const size = { name: layout.name, expression: `sizeof(struct ${layout.name})`, guard };
    return [{ question: size, ours: BigInt(layout.size) }, ...fields];
  });
  return [...numbers, ...extents];
}

for (const [name, { module, headers }] of Object.entries(SECTIONS)) {
  test(`${name}: constants, sizes and offsets are those of the system's headers`, (t) => {
    const cc = compiler();
    if (!cc) return t.skip("no C compiler for x86-64 Linux");
    const ours = claims(module);
    const theirs = cValues(
      cc,
      headers,
      ours.map((claim) => claim.question),
    );
    if (theirs.size === 0) return t.skip("the system's headers are older than all of this");
    const unknown: string[] = [];
    for (const { question, ours: value } of ours) {
      const known = theirs.get(question.name);
      if (known === undefined) unknown.push(question.name);
      // SA_RESETHAND and its like are negative ints in C: 32 bits are what counts.
      else if (known >= 1n << 63n)
        assert.equal(BigInt.asUintN(32, value), BigInt.asUintN(32, known), question.name);
      else assert.equal(value, known, question.name);
    }
    if (unknown.length > 0) t.diagnostic(`not in these headers: ${unknown.join(" ")}`);
  });
}

test("a structure is written and read back, padding zero, nested ones included", () => {
  const packed = time.itimerspec.pack({ it_value: { tv_sec: 1n, tv_nsec: 500n } });
  assert.equal(Buffer.from(packed).toString("hex"), `${"00".repeat(16)}0100000000000000f401000000000000`);
  assert.deepEqual(time.itimerspec.read(packed), {
    it_interval: { tv_sec: 0n, tv_nsec: 0n },
    it_value: { tv_sec: 1n, tv_nsec: 500n },
  });
  const stack = new Uint8Array(40).fill(0xff);
  signal.stackT.write({ ss_sp: 0x7f00_0000_1000n, ss_flags: -1, ss_size: 8192n }, stack, 8);
  assert.equal(
    Buffer.from(stack).toString("hex"),
    `${"ff".repeat(8)}00100000007f0000ffffffff000000000020000000000000${"ff".repeat(8)}`,
  );
  assert.deepEqual(signal.stackT.read(stack, 8), { ss_sp: 0x7f00_0000_1000n, ss_flags: -1, ss_size: 8192n });
});

test("bytes that are too few for a structure are refused, whatever lies behind them", () => {
  const memory = new Uint8Array(1024);
  assert.throws(() => ptrace.userRegs.read(memory.subarray(0, 100)), RangeError);
  assert.throws(() => sched.cloneArgs.write({}, memory.subarray(0, 100), 20), RangeError);
});

test("a siginfo keeps all its 128 bytes", () => {
  const raw = Uint8Array.from({ length: 128 }, (_, i) => i);
  assert.deepEqual(signal.siginfo.pack(signal.siginfo.read(raw)), raw);
});

test("signals have their names", () => {
  assert.equal(signal.signalName(15), "SIGTERM");
  assert.equal(signal.signalName(29), "SIGIO");
  assert.equal(signal.signalName(34), "SIGRTMIN+2");
  assert.equal(signal.signalName(65), "signal 65");
  assert.equal(signal.signalBit(signal.SIGRTMAX), 1n << 63n);
});

test("wait statuses are told apart", () => {
  assert.deepEqual(wait.decodeWaitStatus(0x0300), { kind: "exited", code: 3 });
  assert.deepEqual(wait.decodeWaitStatus(0x8b), { kind: "killed", signal: 11, coreDumped: true });
  assert.deepEqual(wait.decodeWaitStatus(0x80057f), { kind: "stopped", signal: 5, event: 128 });
  assert.deepEqual(wait.decodeWaitStatus(0x857f), { kind: "stopped", signal: 0x85, event: 0 });
  assert.deepEqual(wait.decodeWaitStatus(0xffff), { kind: "continued" });
});

test("the bit fields of a user_desc are those that C writes", () => {
  const desc = {
    entry_number: 12,
    base_addr: 0x1000,
    limit: 0xfffff,
    seg_32bit: true,
    contents_h: true,
    contents_l: false,
    read_exec_only: true,
    limit_in_pages: true,
    seg_not_present: false,
    usable: true,
  };
  const packed = ldt.packUserDesc(desc);
  assert.equal(Buffer.from(packed).toString("hex"), "0c00000000100000ffff0f005d000000");
  assert.deepEqual(ldt.readUserDesc(packed), desc);
});

test("capabilities are in order of their numbers", () => {
  assert.equal(capability.CAPABILITY_NAMES[capability.CAP_SYS_ADMIN], "CAP_SYS_ADMIN");
  assert.equal(capability.CAPABILITY_NAMES.length, capability.CAP_CHECKPOINT_RESTORE + 1);
});
