/**
 * memfds: files of the kernel's own tmpfs, which have a name but no path, and may be sealed. All descriptors
 * and mappings of one lead to one inode: a record of memfd.img, whose pages are dumped as those of a shared
 * memory object. At restore this process makes it, fills it and hands it to the task, which opens it through
 * /proc as the modes of its descriptors and mappings say.
 *
 * Lost: the times of the inode, and that a descriptor is the one of memfd_create, which alone may be executed
 * while it can be written to.
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
  FASYNC,
  SEEK_SET,
} from "../../kernel/abi/fcntl.ts";
import { HUGETLBFS_MAGIC } from "../../kernel/abi/magic.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC } from "../../kernel/abi/mman.ts";
import { ERRNO } from "../../kernel/errno.ts";
import { call, tryCall } from "../../native/calls.ts";
import { dumpSharedObject, fillFile } from "../memory/shared.ts";
import type { FileKind, HeldFile } from "./file-kind.ts";

const PREFIX = "/memfd:";
const DELETED = " (deleted)";

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

const isMemfdName = ({ link, stat }: HeldFile) => stat.nlink === 0n && link.toString().startsWith(PREFIX);

const isHugeMemfd = (file: HeldFile) => isMemfdName(file) && statfsSync(file.source).type === HUGETLBFS_MAGIC;

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

function describeInode({ source, link, stat, task }: HeldFile): MemfdInodeEntry {
  const inodes = inodesOf(task.context);
  const known = inodes.get(stat.ino);
  if (known) return known.entry;
  const entry = {
    name: link.subarray(PREFIX.length, -DELETED.length),
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

interface MadeInode {
  /** Of this process, read-only: a program that can be written to could not be executed. */
  fd: number;
  entry: MemfdInodeEntry;
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
  const writable = createMemfd(entry);
  try {
    ftruncateSync(writable, Number(entry.size));
    fillFile(task, entry.shmid.toString(), writable);
    fchownSync(writable, entry.uid, entry.gid);
    if (entry.mode !== undefined) fchmodSync(writable, entry.mode & 0o7777);
    if (!sealedLast(entry)) seal(writable, entry);
    return { fd: openSync(`/proc/self/fd/${writable}`, "r"), entry };
  } finally {
    closeSync(writable);
  }
}

/** The inode in this process, made when it is first asked for. */
function madeInode(task: RestoreTask, id: number): MadeInode {
  const { context } = task;
  const inodes = made.get(context) ?? new Map<number, MadeInode>();
  made.set(context, inodes);
  const known = inodes.get(id);
  if (known) return known;
  const inode = makeInode(task, inodeEntry(context, id));
  context.aftermath.add(() => closeSync(inode.fd));
  inodes.set(id, inode);
  return inode;
}

function sealTheRest(task: RestoreTask): void {
  for (const { fd, entry } of made.get(task.context)?.values() ?? []) {
    if (!sealedLast(entry)) continue;
    const writable = openSync(`/proc/self/fd/${fd}`, "r+");
    try {
      seal(writable, entry);
    } finally {
      closeSync(writable);
    }
  }
}

export const memfdFile: FileKind = {
  type: FdTypes.MEMFD,
  name: "memfd",

  recognises(file) {
    return file.stat.isFile() && (file.stat.dev === memoryDevice() || isHugeMemfd(file));
  },

  describe(file, id) {
    const about = { fd: file.fd, file: file.link.toString() };
    if (isHugeMemfd(file)) throw new UnsupportedError("a memfd of huge pages: not supported yet", about);
    if (!isMemfdName(file)) {
      throw new UnsupportedError("a descriptor of shared anonymous memory: not supported yet", about);
    }
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
    const path = `/proc/${process.pid}/fd/${madeInode(task, inode_id).fd}`;
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
