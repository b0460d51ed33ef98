/** Reads /proc/PID: the only file here that does I/O. Everything is read anew at each call. */
import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { SystemCallError, TargetGoneError } from "../errors.ts";
import { parseAuxv } from "./proc/auxv.ts";
import { type CgroupMembership, parseCgroup } from "./proc/cgroup.ts";
import { type Fdinfo, parseFdinfo } from "./proc/fdinfo.ts";
import { type Limit, parseLimits } from "./proc/limits.ts";
import { parseMaps, type Vma } from "./proc/maps.ts";
import { type Mount, parseMountIds, parseMountinfo } from "./proc/mountinfo.ts";
import { parseSmaps, type SmapsVma } from "./proc/smaps.ts";
import { type ProcStat, parseStat } from "./proc/stat.ts";
import { type ProcStatus, parseStatus } from "./proc/status.ts";
import { type ProcTimer, parseTimers } from "./proc/timers.ts";
import {
  type NamespaceId,
  parseChildren,
  parseComm,
  parseDecimalFile,
  parseHexFile,
  parseNamespaceLink,
} from "./proc/values.ts";

const CHUNK = 1 << 18;

/**
 * Files of /proc do not tell how long they are. All are read into the same memory first: to touch other memory
 * for each takes longer than to copy the few bytes out.
 */
let scratch = Buffer.allocUnsafeSlow(CHUNK);

function readToEnd(path: string): Buffer {
  const fd = openSync(path, "r");
  try {
    for (let length = 0; ; ) {
      const count = readSync(fd, scratch, length, scratch.length - length, null);
      length += count;
      if (count === 0) return Buffer.from(scratch.subarray(0, length));
      if (length === scratch.length) scratch = Buffer.concat([scratch], 2 * length);
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * A process, or with `tid` one of its threads, as /proc shows it. All methods throw TargetGoneError when it
 * does not exist (any more), SystemCallError when a file is missing or may not be read, and ProcFormatError
 * when the kernel writes what we do not know. A zombie exists, but many of its files are empty or missing.
 */
export class ProcPid {
  readonly pid: number;
  readonly tid: number;
  /** The directory of the process. */
  readonly path: string;
  /** The directory of the thread. */
  readonly threadPath: string;

  constructor(pid: number, tid = pid) {
    this.pid = pid;
    this.tid = tid;
    this.path = `/proc/${pid}`;
    this.threadPath = `/proc/${pid}/task/${tid}`;
  }

  /** The same process, seen as its thread `tid`. */
  thread(tid: number): ProcPid {
    return new ProcPid(this.pid, tid);
  }

  exists(): boolean {
    return existsSync(this.threadPath);
  }

  // Of the thread.

  stat(): ProcStat {
    return this.#parse(`${this.threadPath}/stat`, parseStat);
  }

  status(): ProcStatus {
    return this.#parse(`${this.threadPath}/status`, parseStatus);
  }

  comm(): Buffer {
    return this.#parse(`${this.threadPath}/comm`, parseComm);
  }

  cgroup(): CgroupMembership[] {
    return this.#parse(`${this.threadPath}/cgroup`, parseCgroup);
  }

  /** 32 bits; needs ptrace rights. */
  personality(): number {
    return this.#parse(`${this.threadPath}/personality`, parseHexFile);
  }

  /** Pids of the children that this thread has; wait() lets all threads of the process reap them. */
  children(): number[] {
    return this.#parse(`${this.threadPath}/children`, parseChildren);
  }

  /** A namespace by the name of its link: "mnt", "pid_for_children" … */
  namespace(name: string): NamespaceId {
    const path = `${this.threadPath}/ns/${name}`;
    return parseNamespaceLink(this.#link(path).toString("latin1"), path);
  }

  fds(): number[] {
    return this.#numbers(`${this.threadPath}/fd`);
  }

  fdinfo(fd: number): Fdinfo {
    return this.#parse(`${this.threadPath}/fdinfo/${fd}`, parseFdinfo);
  }

  /** What a descriptor is open on: a path, perhaps with " (deleted)", or "socket:[123]", "anon_inode:…". */
  fdLink(fd: number): Buffer {
    return this.#link(`${this.threadPath}/fd/${fd}`);
  }

  cwd(): Buffer {
    return this.#link(`${this.threadPath}/cwd`);
  }

  root(): Buffer {
    return this.#link(`${this.threadPath}/root`);
  }

  mountinfo(): Mount[] {
    return this.#parse(`${this.threadPath}/mountinfo`, parseMountinfo);
  }

  mountIds(): Set<number> {
    return this.#parse(`${this.threadPath}/mountinfo`, parseMountIds);
  }

  // Of the process.

  /** Thread ids in ascending order. */
  threads(): number[] {
    return this.#numbers(`${this.path}/task`);
  }

  maps(): Vma[] {
    return this.#parse(`${this.path}/maps`, parseMaps);
  }

  /** Walks all page tables: slower than maps. */
  *smaps(): Generator<SmapsVma> {
    const path = `${this.path}/smaps`;
    yield* parseSmaps(this.#chunks(path), path);
  }

  exe(): Buffer {
    return this.#link(`${this.path}/exe`);
  }

  /** The file behind a mapping; unlike the path in maps, its bytes are unescaped. */
  mapFile(start: bigint, end: bigint): Buffer {
    return this.#link(`${this.path}/map_files/${start.toString(16)}-${end.toString(16)}`);
  }

  cmdline(): Buffer {
    return this.#read(`${this.path}/cmdline`);
  }

  environ(): Buffer {
    return this.#read(`${this.path}/environ`);
  }

  auxv(): bigint[] {
    return this.#parse(`${this.path}/auxv`, parseAuxv);
  }

  limits(): Limit[] {
    return this.#parse(`${this.path}/limits`, parseLimits);
  }

  timers(): ProcTimer[] {
    return this.#parse(`${this.path}/timers`, parseTimers);
  }

  oomScoreAdj(): number {
    return this.#parse(`${this.path}/oom_score_adj`, parseDecimalFile);
  }

  /** A user id, 0xffffffff where it is not set; undefined where the kernel has no audit. */
  loginuid(): number | undefined {
    const path = `${this.path}/loginuid`;
    return existsSync(path) ? this.#parse(path, parseDecimalFile) : undefined;
  }

  coredumpFilter(): number {
    return this.#parse(`${this.path}/coredump_filter`, parseHexFile);
  }

  /** Of the thread, though it stands with the process: /proc/TID is there for every thread, unlisted. */
  timerslackNs(): number {
    return this.#parse(`/proc/${this.tid}/timerslack_ns`, parseDecimalFile);
  }

  #parse<T>(path: string, parser: (bytes: Uint8Array, file: string) => T): T {
    return parser(this.#read(path), path);
  }

  #read(path: string): Buffer {
    return this.#attempt("read", path, () => readToEnd(path));
  }

  #link(path: string): Buffer {
    return this.#attempt("readlink", path, () => readlinkSync(path, { encoding: "buffer" }));
  }

  #numbers(path: string): number[] {
    const names = this.#attempt("readdir", path, () => readdirSync(path));
    return names.map(Number).sort((a, b) => a - b);
  }

  /** The content of a file in pieces, each good until the next is asked for. */
  *#chunks(path: string): Generator<Buffer> {
    const fd = this.#attempt("open", path, () => openSync(path, "r"));
    const chunk = Buffer.allocUnsafe(CHUNK);
    try {
      for (;;) {
        const length = this.#attempt("read", path, () => readSync(fd, chunk, 0, CHUNK, null));
        if (length === 0) return;
        yield chunk.subarray(0, length);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** The first thread is away for a moment while another one executes a program and takes its place. */
  #again<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || !this.exists()) throw error;
      return action();
    }
  }

  #attempt<T>(call: string, path: string, action: () => T): T {
    try {
      return this.#again(action);
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code;
      const context = { pid: this.pid, tid: this.tid, op: `${call}(${path})`, errno };
      if (errno === "ESRCH" || (errno === "ENOENT" && !this.exists())) {
        throw new TargetGoneError("the process is gone", context, error);
      }
      throw new SystemCallError("cannot read the state of the process", context, error);
    }
  }
}
