/** /proc/PID/stat and /proc/PID/task/TID/stat. */
import { bytesOf, decimal, decimal64, malformed, textOf } from "./text.ts";

/** Bits of ProcStat.flags (linux/sched.h, the same in all versions that we know). */
export const PF_IO_WORKER = 0x10;
export const PF_USER_WORKER = 0x4000;
export const PF_KTHREAD = 0x200000;

/** Times are in clock ticks (1/100 s). Addresses and `exitCode` are 0 for a reader without ptrace rights. */
export interface ProcStat {
  pid: number;
  /** Any bytes, at most 15 of them. */
  comm: Buffer;
  /** R, S, D, Z (zombie), T (stopped), t (stopped by a tracer), X, I … */
  state: string;
  ppid: number;
  pgid: number;
  sid: number;
  /** Device number of the controlling terminal, 0 without one. */
  ttyNr: number;
  tpgid: number;
  /** PF_ flags of the kernel. */
  flags: number;
  utime: bigint;
  stime: bigint;
  priority: number;
  nice: number;
  numThreads: number;
  /** Since boot: with the pid it names a process for good. */
  startTime: bigint;
  /** Of the whole address space, in bytes. */
  vsize: bigint;
  /** In pages. */
  rss: bigint;
  startCode: bigint;
  endCode: bigint;
  startStack: bigint;
  /** The signal that the parent gets when this task exits. */
  exitSignal: number;
  rtPriority: number;
  policy: number;
  startData: bigint;
  endData: bigint;
  startBrk: bigint;
  argStart: bigint;
  argEnd: bigint;
  envStart: bigint;
  envEnd: bigint;
  /** As wait() would give it. */
  exitCode: number;
}

export function parseStat(bytes: Uint8Array, file: string): ProcStat {
  const text = textOf(bytes);
  const place = { file, line: 1 };
  // The name may hold anything, ")" and newlines too; nothing after it can hold a ")".
  const open = text.indexOf(" (");
  const close = text.lastIndexOf(") ");
  if (open < 0 || close < open) throw malformed(place, "comm", "a name in parentheses", text);
  const fields = text
    .slice(close + 2)
    .trimEnd()
    .split(" ");
  const state = fields[0]!;
  if (!/^[A-Za-z]$/.test(state)) throw malformed(place, "state", "a letter", state);
  /** By the numbers that proc(5) gives the fields. */
  const number = (field: number, name: string) => decimal(fields[field - 3], place, name);
  const long = (field: number, name: string) => decimal64(fields[field - 3], place, name);
  return {
    pid: decimal(text.slice(0, open), place, "pid"),
    comm: bytesOf(text.slice(open + 2, close)),
    state,
    ppid: number(4, "ppid"),
    pgid: number(5, "pgid"),
    sid: number(6, "sid"),
    ttyNr: number(7, "tty_nr"),
    tpgid: number(8, "tpgid"),
    flags: number(9, "flags"),
    utime: long(14, "utime"),
    stime: long(15, "stime"),
    priority: number(18, "priority"),
    nice: number(19, "nice"),
    numThreads: number(20, "num_threads"),
    startTime: long(22, "start_time"),
    vsize: long(23, "vsize"),
    rss: long(24, "rss"),
    startCode: long(26, "start_code"),
    endCode: long(27, "end_code"),
    startStack: long(28, "start_stack"),
    exitSignal: number(38, "exit_signal"),
    rtPriority: number(40, "rt_priority"),
    policy: number(41, "policy"),
    startData: long(45, "start_data"),
    endData: long(46, "end_data"),
    startBrk: long(47, "start_brk"),
    argStart: long(48, "arg_start"),
    argEnd: long(49, "arg_end"),
    envStart: long(50, "env_start"),
    envEnd: long(51, "env_end"),
    exitCode: number(52, "exit_code"),
  };
}
