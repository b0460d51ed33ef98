/** Checkpoints made by hand: small processes whose every byte of memory a test knows. */
import { ftruncateSync } from "node:fs";
import {
  CoreEntryMarch,
  type FdinfoEntry,
  FdTypes,
  type FileEntry,
  type MmEntry,
  type ThreadInfoX86,
  type VmaEntry,
} from "../../ts-host/generated/messages.ts";
import type { CheckpointWriter, FillPages, PageSink } from "../../ts-host/images/checkpoint.ts";
import { createCheckpoint, type PageOptions } from "../../ts-host/images/create.ts";

/** So many pages that are stored. Without `fill` they are zeros, and take no room on the disk. */
export interface ManyPages {
  count: number;
  fill?: FillPages;
}

export interface HandmadeMapping {
  start: bigint;
  /** Of each page its content; or that it is in the parent checkpoint, or was never written to. */
  pages: (Uint8Array | "parent" | "zero")[] | ManyPages;
  /** Where it is not readable and writable, private and anonymous. */
  entry?: Partial<VmaEntry>;
}

export interface HandmadeProcess {
  pid: number;
  parentPid?: number;
  name?: string;
  mappings: HandmadeMapping[];
  /** Of threads beside the first. */
  tids?: number[];
  descriptors?: FdinfoEntry[];
  mm?: Partial<MmEntry>;
}

export interface HandmadeOptions extends PageOptions {
  /** Beside those with the ids 1, /program, and 2, the root directory. */
  files?: FileEntry[];
}

const MM: Omit<MmEntry, "vmas"> = {
  mm_start_code: 0n,
  mm_end_code: 0n,
  mm_start_data: 0n,
  mm_end_data: 0n,
  mm_start_stack: 0n,
  mm_start_brk: 0n,
  mm_brk: 0n,
  mm_arg_start: 0n,
  mm_arg_end: 0n,
  mm_env_start: 0n,
  mm_env_end: 0n,
  exe_file_id: 1,
  mm_saved_auxv: [],
  aios: [],
};

function registers(): ThreadInfoX86 {
  const names =
    "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss fs_base gs_base ds es fs gs";
  const gpregs = Object.fromEntries(names.split(" ").map((name) => [name, 0n]));
  const fpregs = {
    cwd: 0x37f,
    swd: 0,
    twd: 0,
    fop: 0,
    rip: 0n,
    rdp: 0n,
    mxcsr: 0x1f80,
    mxcsr_mask: 0xffff,
    st_space: Array<number>(32).fill(0),
    xmm_space: Array<number>(64).fill(0),
    padding: [],
  };
  return { clear_tid_addr: 0n, gpregs: gpregs as unknown as ThreadInfoX86["gpregs"], fpregs, tls: [] };
}

/** A page that is the text over and over. */
export function pageOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.alloc(4096, text));
}

/** A page of zeros with the text at an offset. */
export function pageWith(text: string | Uint8Array, offset: number): Uint8Array {
  const page = new Uint8Array(4096);
  page.set(Buffer.from(text), offset);
  return page;
}

const NO_OWNER = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };

/** An open file with that path. */
export function regularFile(id: number, path: string): FileEntry {
  const reg = { id, flags: 0, pos: 0n, fown: NO_OWNER, name: Buffer.from(path), build_id: [] };
  return { type: FdTypes.REG, id, reg };
}

/** Writes the checkpoint; all processes run /program, with one thread each and no descriptors unless told otherwise. */
export function writeHandmade(
  directory: string,
  processes: readonly HandmadeProcess[],
  format: "criu" | "native" = "criu",
  { files = [], ...options }: HandmadeOptions = {},
): void {
  const writer = createCheckpoint(directory, format, options);
  writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 2, fdinfo_per_id: true } }]);
  const tree = processes.map(({ pid, parentPid = 0, tids = [] }) => ({
    pid,
    ppid: parentPid,
    pgid: pid,
    sid: pid,
    threads: [pid, ...tids],
  }));
  writer.image(
    { kind: "PSTREE" },
    tree.map((message) => ({ message })),
  );
  const all = [regularFile(1, "/program"), regularFile(2, "/"), ...files];
  writer.image(
    { kind: "FILES" },
    all.map((message) => ({ message })),
  );
  for (const process of processes) writeProcess(writer, process);
  writer.commit();
}

function writeThreads(
  writer: CheckpointWriter,
  { pid, name = "handmade", tids = [] }: HandmadeProcess,
): void {
  const tc = {
    task_state: 1,
    exit_code: 0,
    personality: 0,
    flags: 0,
    blk_sigset: 0n,
    comm: Buffer.from(name),
    sigactions: [],
  };
  const thread_core = { futex_rla: 0n, futex_rla_len: 0 };
  const core = { mtype: CoreEntryMarch.X86_64, thread_info: registers(), thread_core };
  writer.image({ kind: "CORE", id: pid }, [{ message: { ...core, tc } }]);
  for (const tid of tids) writer.image({ kind: "CORE", id: tid }, [{ message: core }]);
}

function writeProcess(writer: CheckpointWriter, process: HandmadeProcess): void {
  const { pid, mappings, descriptors = [], mm } = process;
  writeThreads(writer, process);
  writer.image({ kind: "IDS", id: pid }, [
    { message: { vm_id: pid, files_id: pid, fs_id: pid, sighand_id: pid } },
  ]);
  writer.image(
    { kind: "FDINFO", id: pid },
    descriptors.map((message) => ({ message })),
  );
  writer.image({ kind: "FS", id: pid }, [{ message: { cwd_id: 2, root_id: 2, umask: 0o22 } }]);
  const vmas = mappings.map(({ start, pages, entry }) => ({
    start,
    end: start + BigInt("count" in pages ? pages.count : pages.length) * 4096n,
    pgoff: 0n,
    shmid: 0n,
    prot: 3,
    flags: 0x22,
    status: 0x201,
    fd: -1n,
    ...entry,
  }));
  writer.image({ kind: "MM", id: pid }, [{ message: { ...MM, ...mm, vmas } }]);
  const sink = writer.pages(pid);
  const entries = mappings.flatMap(({ start, pages }) =>
    "count" in pages ? appendMany(sink, start, pages) : appendPages(sink, start, pages),
  );
  writer.image({ kind: "PAGEMAP", id: pid }, [
    { message: { pages_id: pid } },
    ...entries.map((message) => ({ message })),
  ]);
}

const entryOf = (vaddr: bigint, flags: number, count: number) => ({
  vaddr,
  compat_nr_pages: 0,
  nr_pages: BigInt(count),
  flags,
  compressed_size: [],
});

/** Appends those that are stored; returns the entries of the pagemap. */
function appendPages(sink: PageSink, start: bigint, pages: (Uint8Array | "parent" | "zero")[]) {
  const entries = pages.flatMap((content, index) =>
    content === "zero" ? [] : [entryOf(start + BigInt(index) * 4096n, content === "parent" ? 1 : 4, 1)],
  );
  const stored = Buffer.concat(pages.flatMap((content) => (typeof content === "string" ? [] : [content])));
  sink.append(stored.length / 4096, (view, offset) =>
    view.set(stored.subarray(offset, offset + view.length)),
  );
  return entries;
}

function appendMany(sink: PageSink, start: bigint, { count, fill }: ManyPages) {
  if (fill === undefined && sink.appendDirectly !== undefined)
    sink.appendDirectly(count, (fd, offset) => ftruncateSync(fd, offset + count * 4096));
  else sink.append(count, fill ?? ((view) => view.fill(0)));
  return [entryOf(start, 4, count)];
}
