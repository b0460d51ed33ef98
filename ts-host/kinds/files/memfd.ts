/**
 * memfds and shared anonymous memory: files of the kernel's own tmpfs, which have no path, and may be sealed.
 * All descriptors and mappings of one lead to one inode: a record of memfd.img, whose pages are dumped as those
 * of a shared memory object; that of shared anonymous memory has the name /dev/zero. At restore this process
 * makes it and fills it. The task then gets the very descriptor of memfd_create, by which alone a memfd may be
 * executed while it can be written to; further ones are opened through /proc.
 *
 * Lost: the times of the inode, and that shared anonymous memory was reserved in advance (MAP_NORESERVE unset).
 */
import { closeSync, fchmodSync, fchownSync, fstatSync, ftruncateSync, openSync, statfsSync } from "node:fs";
import type { DumpContext, DumpTask } from "../../engine/dump-task.ts";
import type { Kind } from "../../engine/kind.ts";
import type { RestoreContext, RestoreTask } from "../../engine/restore-task.ts";
import { ImageError, UnsupportedError } from "../../errors.ts";
import {
  FdTypes,
  type FileEntry,
  type MemfdFileEntry,
  type MemfdInodeEntry,
} from "../../generated/messages.ts";
import {
  AT_FDCWD,
  F_ADD_SEALS,
  F_GET_SEALS,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_SEAL,
  F_SEAL_WRITE,
  F_SETFL,
  FASYNC,
  O_APPEND,
  O_LARGEFILE,
  O_NOATIME,
  O_NONBLOCK,
  O_RDWR,
  SEEK_SET,
} from "../../kernel/abi/fcntl.ts";
import { HUGETLBFS_MAGIC } from "../../kernel/abi/magic.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC } from "../../kernel/abi/mman.ts";
import { ERRNO } from "../../kernel/errno.ts";
import { call, tryCall } from "../../native/calls.ts";
import { createSharedAnonymous, dumpSharedObject, fillFile } from "../memory/shared.ts";
import type { FileKind, HeldFile } from "./file-kind.ts";
import { handOver } from "./hand-over.ts";

const PREFIX = "/memfd:";
const DELETED = " (deleted)";
/** The name that shared anonymous memory has in /proc and in images. */
const SHARED_ANONYMOUS = Buffer.from("/dev/zero");

let knownDevice: bigint | undefined;

/** Device number of the tmpfs that memfds and shared anonymous memory live in. */
function memoryDevice(): bigint {
  if (knownDevice === undefined) {
    const fd = Number(call("memfd_create", Buffer.from("\0"), MFD_CLOEXEC));
    knownDevice = fstatSync(fd, { bigint: true }).dev;
    closeSync(fd);
  }
  return knownDevice;
}

const isMemfd = ({ link, stat }: HeldFile) => stat.nlink === 0n && link.toString().startsWith(PREFIX);

const isHugeMemfd = (file: HeldFile) => isMemfd(file) && statfsSync(file.source).type === HUGETLBFS_MAGIC;

/** The name in the image; what else lives in that tmpfs is refused. */
function nameOf(file: HeldFile): Buffer {
  const { link, fd } = file;
  const refuse = (what: string) =>
    new UnsupportedError(`${what}: not supported yet`, { fd, file: link.toString() });
  if (isHugeMemfd(file)) throw refuse("a memfd of huge pages");
  const name = link.subarray(isMemfd(file) ? PREFIX.length : 0, -DELETED.length);
  const isAnonymous = name.equals(SHARED_ANONYMOUS);
  if (isMemfd(file) && isAnonymous) throw refuse("a memfd with the name of shared anonymous memory");
  if (!isMemfd(file) && !isAnonymous) throw refuse("shared memory of System V or of a device");
  return name;
}

// Dump.

interface Inode {
  source: string;
  entry: MemfdInodeEntry;
}

const dumped = new WeakMap<DumpContext, Map<bigint, Inode>>();

function inodesOf(context: DumpContext): Map<bigint, Inode> {
  let inodes = dumped.get(context);
  if (!inodes) {
    inodes = new Map();
    dumped.set(context, inodes);
  }
  return inodes;
}

function sealsOf(source: string): number {
  const fd = openSync(source, "r");
  try {
    return Number(call("fcntl", fd, F_GET_SEALS, 0));
  } finally {
    closeSync(fd);
  }
}

function describeInode(file: HeldFile): MemfdInodeEntry {
  const { source, stat, task } = file;
  const inodes = inodesOf(task.context);
  const known = inodes.get(stat.ino);
  if (known) return known.entry;
  const entry = {
    name: nameOf(file),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.size,
    shmid: Number(stat.ino),
    seals: sealsOf(source),
    inode_id: BigInt(inodes.size + 1),
    mode: Number(stat.mode),
  };
  inodes.set(stat.ino, { source, entry });
  return entry;
}

function dumpInodes(task: DumpTask): void {
  for (const { source, entry } of inodesOf(task.context).values()) {
    task.images.append({ kind: "MEMFD_INODE" }, { message: entry });
    const fd = openSync(source, "r");
    try {
      dumpSharedObject(task, BigInt(entry.shmid), fd);
    } finally {
      closeSync(fd);
    }
  }
}

// Restore.

/** Flags of an open file that F_SETFL changes and tmpfs knows. */
const SETTABLE_FLAGS = O_APPEND | O_NONBLOCK | O_NOATIME | FASYNC;

interface MadeInode {
  /** Descriptor of this process: the one with which it was made. */
  fd: number;
  entry: MemfdInodeEntry;
  /** The task has that one too. */
  given: boolean;
}

const made = new WeakMap<RestoreContext, Map<number, MadeInode>>();

function entryOf({ memfd }: FileEntry): MemfdFileEntry {
  if (!memfd) throw new ImageError("a memfd without its part", { file: "files.img" });
  return memfd;
}

function inodeEntry({ reader }: RestoreContext, id: number): MemfdInodeEntry {
  const records = reader.has({ kind: "MEMFD_INODE" }) ? reader.read({ kind: "MEMFD_INODE" }) : [];
  const found = records.find(({ message }) => Number(message.inode_id) === id);
  if (!found) throw new ImageError(`no memfd has the number ${id}`, { file: "memfd.img", field: "inode_id" });
  return found.message;
}

/** A new memfd, open for both. MFD_EXEC overrides the system's default, where the kernel knows it. */
function createMemfd({ name, seals }: MemfdInodeEntry): number {
  const text = Buffer.concat([name, Buffer.alloc(1)]);
  const flags = MFD_CLOEXEC | (seals === F_SEAL_SEAL ? 0 : MFD_ALLOW_SEALING);
  const fd = tryCall("memfd_create", text, flags | MFD_EXEC);
  return Number(fd === -BigInt(ERRNO.EINVAL) ? call("memfd_create", text, flags) : fd);
}

/** Seals that come first would forbid the mappings that were there before they were put on. */
const sealedLast = ({ seals }: MemfdInodeEntry) =>
  (seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)) === F_SEAL_FUTURE_WRITE;

function seal(fd: number, { seals }: MemfdInodeEntry): void {
  if (seals !== F_SEAL_SEAL) call("fcntl", fd, F_ADD_SEALS, seals);
}

function makeInode(task: RestoreTask, entry: MemfdInodeEntry): MadeInode {
  const isAnonymous = SHARED_ANONYMOUS.equals(entry.name);
  const fd = isAnonymous ? createSharedAnonymous(entry.size) : createMemfd(entry);
  task.context.aftermath.add(() => closeSync(fd));
  fillFile(task, entry.shmid.toString(), fd);
  ftruncateSync(fd, Number(entry.size)); // after the last page, which the size may end in
  fchownSync(fd, entry.uid, entry.gid);
  if (entry.mode !== undefined) fchmodSync(fd, entry.mode & 0o7777);
  if (!sealedLast(entry)) seal(fd, entry);
  return { fd, entry, given: false };
}

/** The inode in this process, made when it is first asked for. */
function madeInode(task: RestoreTask, id: number): MadeInode {
  const { context } = task;
  const inodes = made.get(context) ?? new Map<number, MadeInode>();
  made.set(context, inodes);
  const known = inodes.get(id);
  if (known) return known;
  const inode = makeInode(task, inodeEntry(context, id));
  inodes.set(id, inode);
  return inode;
}

function sealTheRest(task: RestoreTask): void {
  for (const { fd, entry } of made.get(task.context)?.values() ?? []) {
    if (sealedLast(entry)) seal(fd, entry);
  }
}

/**
 * Whether an open file can be the one of memfd_create, which is open for both and has no flags but those that
 * fcntl gives. A mapping always can.
 */
function canBeOriginal(flags: number, access: number | undefined): boolean {
  return access === undefined ? (flags & ~SETTABLE_FLAGS) === (O_RDWR | O_LARGEFILE) : access === O_RDWR;
}

export const memfdFile: FileKind = {
  type: FdTypes.MEMFD,
  name: "memfd",

  recognises(file) {
    return file.stat.isFile() && (file.stat.dev === memoryDevice() || isHugeMemfd(file));
  },

  describe(file, id) {
    const { flags, pos, owner } = file;
    const inode_id = Number(describeInode(file).inode_id);
    return { type: FdTypes.MEMFD, id, memfd: { id, flags, pos, fown: owner, inode_id } };
  },

  check(task, entry) {
    const { hugetlb_flag, name } = inodeEntry(task.context, entryOf(entry).inode_id);
    if (hugetlb_flag) {
      throw new UnsupportedError("a memfd of huge pages: not supported yet", {
        file: Buffer.from(name).toString(),
      });
    }
  },

  open(task, batch, entry, close, access) {
    const { inode_id, flags, pos } = entryOf(entry);
    const inode = madeInode(task, inode_id);
    if (canBeOriginal(flags, access) && (access !== undefined || !inode.given)) {
      const fd = handOver(batch, inode.fd, close);
      if (access !== undefined) return fd;
      inode.given = true;
      batch.call("fcntl", [fd, F_SETFL, flags & ~FASYNC]);
      batch.call("lseek", [fd, pos, SEEK_SET]);
      return fd;
    }
    const path = `/proc/${process.pid}/fd/${inode.fd}`;
    const fd = batch.call("openat", [AT_FDCWD, batch.text(path), access ?? (flags & ~FASYNC) | close, 0]);
    if (access === undefined && pos !== 0n) batch.call("lseek", [fd, pos, SEEK_SET]);
    return fd;
  },
};

export const memfd: Kind = {
  name: "memfd",
  after: ["files"],
  dumpContent: dumpInodes,
  restoreTask: { process: sealTheRest },
};
