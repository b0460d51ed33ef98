/**
 * A checkpoint as a flat list of what it says, so that two of the same program can be compared: numbers that a
 * tool gives out as it likes (ids of files, streams of pages) stand for what they name, records are known by
 * their key instead of their place, and pages by their address.
 */
import { createHash } from "node:crypto";
import type { FileEntry, PagemapEntry, PagemapHead } from "../../ts-host/generated/messages.ts";
import type { CheckpointReader, ImageName } from "../../ts-host/images/checkpoint.ts";
import { readGhostChunks } from "../../ts-host/images/framing.ts";
import { is, VMA_FILE_PRIVATE, VMA_FILE_SHARED } from "../../ts-host/kinds/memory/vma.ts";

const PAGE = 4096;
const PE_PRESENT = 4;
/** The part of struct rseq that says on which processor the thread is. */
const RSEQ_SIZE = 32;

/** Paths like `CORE.tc.timers.real.isec`, and what stands there. */
export type Statements = Map<string, string>;

type Message = Record<string, unknown>;

type PagemapName = ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">;

const listsPages = (name: ImageName): name is PagemapName =>
  name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP";

/** What a file is, whatever its id. */
function nameOfFile(entry: FileEntry, memfds: ReadonlyMap<number, string>): string {
  if (entry.reg)
    return `${Buffer.from(entry.reg.name)} flags 0x${entry.reg.flags.toString(16)} at ${entry.reg.pos}`;
  if (entry.memfd) {
    const { inode_id, flags, pos } = entry.memfd;
    return `${memfds.get(inode_id)} flags 0x${flags.toString(16)} at ${pos}`;
  }
  return `type ${entry.type}`;
}

class Canonical {
  readonly statements: Statements = new Map();
  private readonly reader: CheckpointReader;
  private readonly files = new Map<number, string>();
  private readonly memfds = new Map<number, string>();
  /** Addresses of what the kernel writes into memory whenever a thread runs. */
  private readonly volatile: bigint[] = [];

  constructor(reader: CheckpointReader) {
    this.reader = reader;
    if (reader.has({ kind: "MEMFD_INODE" })) {
      for (const { message } of reader.read({ kind: "MEMFD_INODE" })) {
        this.memfds.set(Number(message.inode_id), `memfd ${Buffer.from(message.name)} (${message.shmid})`);
      }
    }
    for (const { message } of reader.read({ kind: "FILES" })) {
      this.files.set(message.id, nameOfFile(message, this.memfds));
    }
    for (const { kind, id } of reader.list()) {
      if (kind !== "CORE") continue;
      const rseq = reader.read({ kind, id })[0]!.message.thread_core?.rseq_entry;
      if (rseq) this.volatile.push(rseq.rseq_abi_pointer);
    }
  }

  state(): Statements {
    for (const name of this.reader.list()) {
      if (listsPages(name)) this.statePages(name);
      else this.stateRecords(name);
    }
    return this.statements;
  }

  private stateRecords(name: ImageName): void {
    const path = name.id === undefined || typeof name.id === "string" ? name.kind : `${name.kind}`;
    this.reader.read(name).forEach(({ message, payload }, index) => {
      const record = message as unknown as Message;
      const key = this.keyOf(name, record, index);
      const place = key === undefined ? path : `${path}[${key}]`;
      this.stateValue(place, this.withNames(name, record));
      if (payload) this.say(`${place}.payload`, digest(contentOf(name, record, payload)));
    });
  }

  /** By what a record is known, when there are several of its kind. */
  private keyOf({ kind, id }: ImageName, record: Message, index: number): string | undefined {
    switch (kind) {
      case "FILES":
        return this.files.get(record.id as number);
      case "FDINFO":
        return `fd ${record.fd}`;
      case "MEMFD_INODE":
        return this.memfds.get(Number(record.inode_id));
      case "REMAP_FPATH":
        return this.files.get(record.orig_id as number);
      case "CORE":
        return id === undefined ? undefined : String(id);
      case "GHOST_FILE":
        return `${record.ino}`;
      default:
        return index === 0 ? undefined : String(index);
    }
  }

  /** The record with names in the place of ids. */
  private withNames({ kind }: ImageName, record: Message): Message {
    const file = (id: unknown) => this.files.get(Number(id)) ?? `no file ${id}`;
    switch (kind) {
      case "FILES": {
        const parts = Object.entries(record).map(([field, value]) => [
          field,
          typeof value === "object" && value !== null && "id" in value ? { ...value, id: undefined } : value,
        ]);
        const entry = { ...Object.fromEntries(parts), id: undefined } as Message;
        const memfd = entry.memfd as Message | undefined;
        return memfd
          ? { ...entry, memfd: { ...memfd, inode_id: this.memfds.get(Number(memfd.inode_id)) } }
          : entry;
      }
      case "FDINFO":
        return { ...record, id: file(record.id) };
      case "MEMFD_INODE":
        return { ...record, inode_id: undefined };
      case "FS":
        return { ...record, cwd_id: file(record.cwd_id), root_id: file(record.root_id) };
      case "REMAP_FPATH":
        return { ...record, orig_id: undefined, remap_id: undefined };
      case "MM":
        return {
          ...record,
          exe_file_id: file(record.exe_file_id),
          vmas: this.mappings(record.vmas as Message[]),
        };
      default:
        return record;
    }
  }

  private mappings(vmas: Message[]): Message {
    return Object.fromEntries(
      vmas.map((vma) => {
        const ofFile = is(vma as never, VMA_FILE_PRIVATE | VMA_FILE_SHARED);
        const shmid = ofFile ? this.files.get(Number(vma.shmid)) : vma.shmid;
        return [`${hex(vma.start as bigint)}`, { ...vma, shmid }];
      }),
    );
  }

  private stateValue(path: string, value: unknown): void {
    if (value === undefined || value === null) return;
    if (value instanceof Uint8Array) this.say(path, bytesOf(path, value).toString("latin1"));
    else if (Array.isArray(value)) {
      if (value.some((item) => typeof item === "object" && item !== null))
        value.forEach((item, index) => {
          this.stateValue(`${path}[${index}]`, item);
        });
      else this.say(path, value.join(","));
    } else if (typeof value === "object") {
      for (const [field, inner] of Object.entries(value)) this.stateValue(`${path}.${field}`, inner);
    } else this.say(path, String(value));
  }

  private statePages(name: PagemapName): void {
    const [head, ...entries] = this.reader.read(name);
    const source = this.reader.pages((head!.message as PagemapHead).pages_id);
    let first = 0;
    for (const { message } of entries) {
      const entry = message as PagemapEntry;
      const pages = Number(entry.nr_pages ?? entry.compat_nr_pages);
      for (let page = 0; page < pages; page++) {
        const place = `${name.kind}[${hex(entry.vaddr + BigInt(page * PAGE))}]`;
        this.say(`${place}.flags`, String(entry.flags));
        if (((entry.flags ?? 0) & PE_PRESENT) === 0) continue;
        const content = Buffer.alloc(PAGE);
        source.read(first, 1, (view) => content.set(view));
        if (name.kind === "PAGEMAP") this.mask(entry.vaddr + BigInt(page * PAGE), content);
        this.say(`${place}.content`, digest(content));
        first++;
      }
    }
  }

  private mask(address: bigint, content: Buffer): void {
    for (const start of this.volatile) {
      const at = Number(start - address);
      if (at >= 0 && at < PAGE) content.fill(0, at, at + RSEQ_SIZE);
    }
  }

  private say(path: string, value: string): void {
    this.statements.set(path, value);
  }
}

const SI_TIMER = -2;
const SI_CODE = 8;
/** Where the kernel counts how often the timer has run out again since. */
const SI_OVERRUN = 20;

/** Without what goes on counting between two dumps. */
function bytesOf(path: string, value: Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  if (path.endsWith(".siginfo") && bytes.readInt32LE(SI_CODE) === SI_TIMER) bytes.writeInt32LE(0, SI_OVERRUN);
  return bytes;
}

/** Of a ghost the content itself, whether in chunks or not. */
function contentOf({ kind }: ImageName, { chunks, size }: Message, payload: Uint8Array): Uint8Array {
  if (kind !== "GHOST_FILE" || !chunks) return payload;
  const content = Buffer.alloc(Number(size));
  for (const { offset, content: piece } of readGhostChunks(payload)) content.set(piece, Number(offset));
  return content;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

export function canonical(reader: CheckpointReader): Statements {
  return new Canonical(reader).state();
}
