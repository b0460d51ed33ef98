/** Checkpoints made by hand: small processes whose every byte of memory a test knows. */
import {
  CoreEntryMarch,
  type MmEntry,
  type ThreadInfoX86,
  type VmaEntry,
} from "../../ts-host/generated/messages.ts";
import { createCheckpoint } from "../../ts-host/images/open.ts";

export interface HandmadeMapping {
  start: bigint;
  /** Of each page its content; or that it is in the parent checkpoint, or was never written to. */
  pages: (Uint8Array | "parent" | "zero")[];
  /** Where it is not readable and writable, private and anonymous. */
  entry?: Partial<VmaEntry>;
}

export interface HandmadeProcess {
  pid: number;
  parentPid?: number;
  name?: string;
  mappings: HandmadeMapping[];
}

const NOWHERE = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
const REGULAR = 1;

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

/** Writes the checkpoint; all processes run /program, with one thread each and no descriptors. */
export function writeHandmade(
  directory: string,
  processes: readonly HandmadeProcess[],
  format: "criu" | "native" = "criu",
): void {
  const writer = createCheckpoint(directory, format);
  writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 2, fdinfo_per_id: true } }]);
  const tree = processes.map(({ pid, parentPid = 0 }) => ({
    pid,
    ppid: parentPid,
    pgid: pid,
    sid: pid,
    threads: [pid],
  }));
  writer.image(
    { kind: "PSTREE" },
    tree.map((message) => ({ message })),
  );
  const paths = ["/program", "/"].map((path, index) => ({
    type: REGULAR,
    id: index + 1,
    reg: { id: index + 1, flags: 0, pos: 0n, fown: NOWHERE, name: Buffer.from(path), build_id: [] },
  }));
  writer.image(
    { kind: "FILES" },
    paths.map((message) => ({ message })),
  );
  for (const process of processes) writeProcess(writer, process);
  writer.commit();
}

function writeProcess(writer: ReturnType<typeof createCheckpoint>, process: HandmadeProcess): void {
  const { pid, name = "handmade", mappings } = process;
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
  const core = { mtype: CoreEntryMarch.X86_64, thread_info: registers(), tc, thread_core };
  writer.image({ kind: "CORE", id: pid }, [{ message: core }]);
  writer.image({ kind: "IDS", id: pid }, [
    { message: { vm_id: pid, files_id: pid, fs_id: pid, sighand_id: pid } },
  ]);
  writer.image({ kind: "FDINFO", id: pid }, []);
  writer.image({ kind: "FS", id: pid }, [{ message: { cwd_id: 2, root_id: 2, umask: 0o22 } }]);
  const vmas = mappings.map(({ start, pages, entry }) => ({
    start,
    end: start + BigInt(pages.length) * 4096n,
    pgoff: 0n,
    shmid: 0n,
    prot: 3,
    flags: 0x22,
    status: 0x201,
    fd: -1n,
    ...entry,
  }));
  writer.image({ kind: "MM", id: pid }, [{ message: { ...MM, vmas } }]);
  const listed = mappings.flatMap(({ start, pages }) =>
    pages
      .map((content, index) => ({ vaddr: start + BigInt(index) * 4096n, content }))
      .filter(({ content }) => content !== "zero"),
  );
  const entries = listed.map(({ vaddr, content }) => ({
    message: {
      vaddr,
      compat_nr_pages: 0,
      nr_pages: 1n,
      flags: content === "parent" ? 1 : 4,
      compressed_size: [],
    },
  }));
  const stored = listed.flatMap(({ content }) => (typeof content === "string" ? [] : [content]));
  const sink = writer.pages(pid);
  writer.image({ kind: "PAGEMAP", id: pid }, [{ message: { pages_id: pid } }, ...entries]);
  const content = Buffer.concat(stored);
  sink.append(stored.length, (view, offset) => view.set(content.subarray(offset, offset + view.length)));
}
