/** What `crit x` tells of a checkpoint: processes, descriptors, mappings, pages; and sockets. */
import { FdTypes, type FileEntry, type VmaEntry } from "../generated/messages.ts";
import type { AnyMessage } from "../images/codec.ts";
import type { JsonObject } from "../images/json/text.ts";
import { showMessage, text } from "../images/json/to-json.ts";
import {
  is,
  VMA_ANON_SHARED,
  VMA_FILE_PRIVATE,
  VMA_FILE_SHARED,
  VMA_REGULAR,
  VMA_SOCKET,
  VMA_STACK,
  VMA_SYSVIPC,
  VMA_VDSO,
  VMA_VSYSCALL,
} from "../kinds/memory/vma.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { typeName } from "./describe-file.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Process } from "./process.ts";
import type { Progress } from "./progress.ts";

const MAP_GROWSDOWN = 0x100;

/** A file in crit's words: a path, `pipe[7]`, `unix[3 (4) name]`, else type and id. */
function fileText(checkpoint: Checkpoint, id: number, type: number = FdTypes.REG): string {
  const file = checkpoint.files.get(id);
  if (file?.reg) return text(file.reg.name);
  if (file?.pipe) return `pipe[${file.pipe.pipe_id}]`;
  if (file?.usk) {
    const { ino, peer } = file.usk;
    const { name } = showMessage("unix_sk_entry", file.usk as unknown as AnyMessage);
    return `unix[${ino} (${peer})${name === "" ? "" : ` ${name}`}]`;
  }
  return type === FdTypes.REG ? "unknown path" : `${typeName(type)}.${id}`;
}

/** What `look` finds of each process; between them, how many are done. */
function* ofEach<T>(checkpoint: Checkpoint, look: (process: Process) => T): Generator<Progress, T[]> {
  const { processes } = checkpoint;
  const found: T[] = [];
  for (const process of processes) {
    yield { done: found.length, total: processes.length };
    found.push(look(process));
  }
  return found;
}

/** A process in the tree. */
export interface TreeNode {
  pid: number;
  pgid: number;
  sid: number;
  comm: string;
  children: TreeNode[];
}

/** The roots of the process tree: one, in a sound checkpoint. */
export function* exploreTree(checkpoint: Checkpoint): Generator<Progress, TreeNode[]> {
  const nodes = new Map<number, TreeNode>();
  const roots: TreeNode[] = [];
  yield* ofEach(checkpoint, ({ pid, parentPid, entry, name }) => {
    const node = { pid, pgid: entry.pgid, sid: entry.sid, comm: name, children: [] };
    nodes.set(pid, node);
    (nodes.get(parentPid)?.children ?? roots).push(node);
  });
  return roots;
}

export interface OpenFiles {
  pid: number;
  /** Numbers of descriptors, then cwd and root. */
  files: { fd: number | "cwd" | "root"; file: string }[];
}

export function exploreFiles(checkpoint: Checkpoint): Generator<Progress, OpenFiles[]> {
  return ofEach(checkpoint, ({ pid, descriptors, fs }) => {
    const files: OpenFiles["files"] = descriptors.map(({ fd, file }) => ({
      fd,
      file: fileText(checkpoint, file.id, file.type),
    }));
    if (fs) {
      files.push({ fd: "cwd", file: fileText(checkpoint, fs.cwd_id) });
      files.push({ fd: "root", file: fileText(checkpoint, fs.root_id) });
    }
    return { pid, files };
  });
}

export interface Mappings {
  pid: number;
  /** Absent for a zombie. */
  exe?: string;
  mappings: { start: bigint; end: bigint; prot: string; what: string }[];
}

/** Shared objects are numbered in the order in which they are met. */
class Numbers {
  readonly #known = new Map<bigint, number>();

  of(id: bigint): string {
    if (!this.#known.has(id)) this.#known.set(id, this.#known.size + 1);
    return this.#known.get(id)!.toString(16);
  }
}

const isOfFile = (vma: VmaEntry) => is(vma, VMA_FILE_PRIVATE | VMA_FILE_SHARED);

function mappedThing(checkpoint: Checkpoint, vma: VmaEntry, numbers: Numbers): string {
  if (is(vma, VMA_SYSVIPC)) return `ips[${numbers.of(vma.shmid)}]`;
  if (is(vma, VMA_ANON_SHARED)) return `shmem[${numbers.of(vma.shmid)}]`;
  if (is(vma, VMA_SOCKET)) return `packet[${numbers.of(vma.shmid)}]`;
  if (isOfFile(vma)) {
    const offset = vma.pgoff === 0n ? "" : ` + 0x${vma.pgoff.toString(16)}`;
    return fileText(checkpoint, Number(vma.shmid)) + offset + (is(vma, VMA_FILE_SHARED) ? " (s)" : "");
  }
  if (is(vma, VMA_STACK)) return "[stack]";
  if (is(vma, VMA_VSYSCALL)) return "[vsyscall]";
  if (is(vma, VMA_VDSO)) return "[vdso]";
  return vma.flags & MAP_GROWSDOWN ? "[stack?]" : "";
}

export function exploreMappings(checkpoint: Checkpoint): Generator<Progress, Mappings[]> {
  const numbers = new Numbers();
  return ofEach(checkpoint, ({ pid, mm }) => {
    const mappings = (mm?.vmas ?? []).map((vma) => {
      const thing = mappedThing(checkpoint, vma, numbers);
      const what = is(vma, VMA_REGULAR) ? thing : `${thing} *`.trimStart();
      const prot = ["r", "w", "x"].map((letter, bit) => ((vma.prot >> bit) & 1 ? letter : "-")).join("");
      return { start: vma.start, end: vma.end, prot, what };
    });
    return mm ? { pid, exe: fileText(checkpoint, mm.exe_file_id), mappings } : { pid, mappings };
  });
}

export interface ResidentPages {
  pid: number;
  runs: {
    vaddr: bigint;
    pages: number;
    /** What the pages lie in; `same`: the mapping that the run before has ended in. */
    mappings: { start: bigint; pages: number; file: string; same: boolean }[];
  }[];
}

export function exploreResident(checkpoint: Checkpoint): Generator<Progress, ResidentPages[]> {
  return ofEach(checkpoint, (process) => ({
    pid: process.pid,
    runs: residentRuns(checkpoint, process),
  }));
}

function residentRuns(checkpoint: Checkpoint, { pid, mm }: Process): ResidentPages["runs"] {
  const name = { kind: "PAGEMAP", id: pid } as const;
  if (mm === undefined || !checkpoint.has(name)) return [];
  const index = checkpoint.pageIndex(name);
  let at = 0;
  let last = -1;
  return Array.from({ length: index.length }, (_, number) => {
    const run = index.run(number);
    const vaddr = BigInt(run.first) * BigInt(PAGE_SIZE);
    const end = vaddr + BigInt(run.count) * BigInt(PAGE_SIZE);
    while (at < mm.vmas.length && mm.vmas[at]!.end <= vaddr) at++;
    const mappings: ResidentPages["runs"][number]["mappings"] = [];
    for (; at < mm.vmas.length && mm.vmas[at]!.start < end; at++) {
      const vma = mm.vmas[at]!;
      const file = isOfFile(vma) ? fileText(checkpoint, Number(vma.shmid)) : "";
      const pages = Number((vma.end - vma.start) / BigInt(PAGE_SIZE));
      mappings.push({ start: vma.start, pages, file, same: at === last });
      last = at;
    }
    at = Math.max(at - 1, 0);
    return { vaddr, pages: run.count, mappings };
  });
}

export interface Sockets {
  pid: number;
  sockets: {
    fd: number;
    /** "INETSK", "UNIXSK" … */
    type: string;
    /** One line for people. */
    text: string;
    /** The message, as decode shows it. */
    socket: JsonObject;
  }[];
}

/** The message of a socket, as decode shows it; undefined for other files. */
function socketMessage({ isk, usk, psk, nlsk }: FileEntry): JsonObject | undefined {
  if (isk) return showMessage("inet_sk_entry", isk as unknown as AnyMessage);
  if (usk) return showMessage("unix_sk_entry", usk as unknown as AnyMessage);
  if (psk) return showMessage("packet_sock_entry", psk as unknown as AnyMessage);
  return nlsk && showMessage("netlink_sk_entry", nlsk as unknown as AnyMessage);
}

export function exploreSockets(checkpoint: Checkpoint): Generator<Progress, Sockets[]> {
  return ofEach(checkpoint, ({ pid, descriptors }) => ({
    pid,
    sockets: descriptors.flatMap(({ fd, type, text, file }) => {
      const socket = socketMessage(file);
      return socket === undefined ? [] : [{ fd, type, text, socket }];
    }),
  }));
}
