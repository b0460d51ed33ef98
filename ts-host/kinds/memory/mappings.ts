/** Dump of the list of mappings: /proc/PID/smaps to vma_entry. What cannot be dumped is refused by name. */
import type { DumpTask } from "../../engine/dump-task.ts";
import { UnsupportedError } from "../../errors.ts";
import type { CriuWasmVma, VmaEntry } from "../../generated/messages.ts";
import { O_RDONLY } from "../../kernel/abi/fcntl.ts";
import {
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_HUGEPAGE,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
} from "../../kernel/abi/mman.ts";
import type { SmapsVma } from "../../kernel/proc/smaps.ts";
import { registerMappedFile } from "../files/mapped.ts";
import {
  VMA_ANON_PRIVATE,
  VMA_FILE_PRIVATE,
  VMA_FILE_SHARED,
  VMA_HEAP,
  VMA_MEMFD,
  VMA_REGULAR,
  VMA_VDSO,
  VMA_VSYSCALL,
  VMA_VVAR,
} from "./vma.ts";

/** VmFlags of smaps that were set by madvise, and the advice that sets them. */
const ADVICE: Record<string, number> = {
  dc: MADV_DONTFORK,
  sr: MADV_SEQUENTIAL,
  rr: MADV_RANDOM,
  dd: MADV_DONTDUMP,
  mg: MADV_MERGEABLE,
  hg: MADV_HUGEPAGE,
  nh: MADV_NOHUGEPAGE,
  wf: MADV_WIPEONFORK,
};

/** VmFlags of mappings that cannot be dumped, and what they are. */
const REFUSED: Record<string, string> = {
  ht: "huge pages of hugetlbfs",
  io: "memory of a device",
  pf: "memory of a device",
  ss: "a shadow stack",
  um: "memory registered with userfaultfd (missing pages)",
  uw: "memory registered with userfaultfd (write protection)",
  ui: "memory registered with userfaultfd (minor faults)",
  sl: "a sealed mapping (mseal)",
  sf: "a mapping with MAP_SYNC",
};

const KERNELS: Record<string, number> = {
  "[vdso]": VMA_REGULAR | VMA_ANON_PRIVATE | VMA_VDSO,
  "[vvar]": VMA_REGULAR | VMA_ANON_PRIVATE | VMA_VVAR,
  "[vvar_vclock]": VMA_REGULAR | VMA_ANON_PRIVATE | VMA_VVAR,
  "[vsyscall]": VMA_VSYSCALL | VMA_ANON_PRIVATE,
};

function refuse(mapping: SmapsVma, what: string): never {
  const where = `0x${mapping.start.toString(16)}-0x${mapping.end.toString(16)}`;
  throw new UnsupportedError(`mapping ${where} is ${what}: not supported yet`, {
    file: mapping.path.toString() || undefined,
  });
}

/** What the VmFlags of a mapping say. */
interface Meaning {
  /** Why the mapping cannot be dumped. */
  refused: string | undefined;
  /** A bit for each advice that was given. */
  advice: bigint | undefined;
}

/** Most mappings have their flags in common. */
const meanings = new WeakMap<ReadonlySet<string>, Meaning>();

function meaningOf(flags: ReadonlySet<string>): Meaning {
  let meaning = meanings.get(flags);
  if (meaning === undefined) {
    const words = [...flags];
    const advice = words.reduce(
      (bits, word) => (word in ADVICE ? bits | (1n << BigInt(ADVICE[word])) : bits),
      0n,
    );
    meaning = {
      refused: words.map((word) => REFUSED[word]).find((what) => what !== undefined),
      advice: advice === 0n ? undefined : advice,
    };
    meanings.set(flags, meaning);
  }
  return meaning;
}

/** The kernel itself gives a key to memory that may be executed only. */
function refuseUnsupported(mapping: SmapsVma): void {
  const { refused } = meaningOf(mapping.flags);
  if (refused !== undefined) refuse(mapping, refused);
  if (mapping.protectionKey !== 0 && mapping.prot !== PROT_EXEC)
    refuse(mapping, "memory with a protection key");
}

/** Name of anonymous memory, private or shared: [anon:NAME], [anon_shmem:NAME]. */
const NAME = /^\[anon(?:_shmem)?:(.*)\]$/s;

/** What CRIU's message has no field for. */
function extension({ path, flags }: SmapsVma): CriuWasmVma | undefined {
  const name = NAME.exec(path.toString("latin1"))?.[1];
  if (name === undefined && !flags.has("lf")) return undefined;
  return {
    ...(name === undefined ? {} : { name: Buffer.from(name, "latin1") }),
    ...(flags.has("lf") ? { locked_on_fault: true } : {}),
  };
}

function baseEntry(mapping: SmapsVma): VmaEntry {
  const { flags } = mapping;
  return {
    start: mapping.start,
    end: mapping.end,
    pgoff: 0n,
    shmid: 0n,
    prot: mapping.prot,
    flags:
      (mapping.shared ? MAP_SHARED : flags.has("dp") ? MAP_DROPPABLE : MAP_PRIVATE) |
      (flags.has("gd") ? MAP_GROWSDOWN : 0) |
      (flags.has("lo") ? MAP_LOCKED : 0) |
      (flags.has("nr") ? MAP_NORESERVE : 0),
    status: VMA_REGULAR,
    fd: -1n,
    madv: meaningOf(flags).advice,
    criu_wasm: extension(mapping),
  };
}

/** Whether a name in /proc/PID/smaps means memory that belongs to no file. */
function isAnonymous(name: string): boolean {
  return name === "" || name === "[stack]" || name === "[heap]" || name.startsWith("[anon:");
}

function describe(task: DumpTask, mapping: SmapsVma): VmaEntry {
  const name = mapping.path.toString();
  const entry = baseEntry(mapping);
  const kernels = KERNELS[name];
  if (kernels !== undefined) return { ...entry, status: kernels, flags: entry.flags | MAP_ANONYMOUS };
  refuseUnsupported(mapping);
  if (isAnonymous(name)) {
    entry.flags |= MAP_ANONYMOUS;
    entry.status |= VMA_ANON_PRIVATE | (name === "[heap]" ? VMA_HEAP : 0);
    return entry;
  }
  if (name.startsWith("[anon_shmem:")) return describeFileMapping(task, mapping, entry);
  if (name.startsWith("/SYSV")) refuse(mapping, "System V shared memory");
  if (name.startsWith("/[aio]")) refuse(mapping, "the ring of an aio context");
  if (!name.startsWith("/")) refuse(mapping, name.startsWith("anon_inode:") ? name.slice(11) : name);
  return describeFileMapping(task, mapping, entry);
}

function describeFileMapping(task: DumpTask, mapping: SmapsVma, entry: VmaEntry): VmaEntry {
  const file = registerMappedFile(task, mapping);
  return {
    ...entry,
    pgoff: mapping.pgoff,
    shmid: BigInt(file.id),
    status:
      entry.status | (mapping.shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE) | (file.isMemfd ? VMA_MEMFD : 0),
    // A shared mapping that may not become writable again is restored with a file that it may only read.
    fdflags: mapping.shared && !mapping.flags.has("mw") ? O_RDONLY : file.access,
  };
}

/** vvar and vvar_vclock are one entry, as in CRIU's images. */
function joinKernelData(entries: VmaEntry[]): VmaEntry[] {
  const joined: VmaEntry[] = [];
  for (const entry of entries) {
    const last = joined.at(-1);
    if (
      last &&
      entry.status === KERNELS["[vvar]"] &&
      last.status === entry.status &&
      last.end === entry.start
    ) {
      last.end = entry.end;
    } else {
      joined.push(entry);
    }
  }
  return joined;
}

/** All mappings of the task, in order of address. */
export function describeMappings(task: DumpTask): VmaEntry[] {
  return joinKernelData([...task.proc.smaps()].map((mapping) => describe(task, mapping)));
}
