/**
 * Files with a path: regular ones, directories, and device nodes that hold no state (null, zero, full,
 * random), with their offset and flags. What has no path any more is in ghost.ts.
 *
 * Lost: O_TMPFILE and O_CREAT among the flags that F_GETFL tells, read-ahead hints.
 */
import { lstatSync, type Stats } from "node:fs";
import type { DumpContext } from "../../engine/dump-task.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { HostMismatchError, ImageError, UnsupportedError } from "../../errors.ts";
import { FdTypes, type FileEntry, type RegFileEntry } from "../../generated/messages.ts";
import {
  AT_FDCWD,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  SEEK_SET,
} from "../../kernel/abi/fcntl.ts";
import { ProcPid } from "../../kernel/process.ts";
import type { Batch, Op } from "../../remote/batch.ts";
import { buildIdOf } from "./build-id.ts";
import type { FileKind, HeldFile } from "./file-kind.ts";
import { nameOf, pathAtRestore, remember } from "./ghost.ts";

/** Flags that act when a file is opened and must not act again. */
const ONCE = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;
/** Minor numbers of character devices with major 1 that hold no state: null, zero, full, random, urandom. */
const STATELESS_MEMORY_DEVICES = [3, 5, 7, 8, 9];

const mountIds = new WeakMap<DumpContext, Set<number>>();

/** Mounts of the namespace that this program and the task are in. */
function knownMounts(context: DumpContext): Set<number> {
  let ids = mountIds.get(context);
  if (!ids) {
    ids = new ProcPid(process.pid).mountIds();
    mountIds.set(context, ids);
  }
  return ids;
}

/** Whether a path can lead there: not to sockets and namespaces, nor into mounts that are nowhere mounted. */
function isReachable({ link, mountId, task }: HeldFile): boolean {
  return (
    link.toString("latin1").startsWith("/") &&
    (mountId === undefined || knownMounts(task.context).has(mountId))
  );
}

function isStatelessDevice({ stat }: HeldFile): boolean {
  const [major, minor] = [Number(stat.rdev >> 8n), Number(stat.rdev & 0xffn)];
  return stat.isCharacterDevice() && major === 1 && STATELESS_MEMORY_DEVICES.includes(minor);
}

function flagsToOpenWith(flags: number): number {
  // O_TMPFILE is two bits, one of which alone is O_DIRECTORY.
  const made = (flags & O_TMPFILE) === O_TMPFILE ? O_TMPFILE : 0;
  return flags & ~(ONCE | made);
}

function isCharacterDevice({ mode = 0 }: RegFileEntry): boolean {
  return (mode & S_IFMT) === S_IFCHR;
}

function seeks({ mode = 0, flags }: RegFileEntry): boolean {
  const type = mode & S_IFMT;
  return (flags & O_PATH) === 0 && (type === S_IFREG || type === S_IFDIR || mode === 0);
}

/** A file of /proc/PID of the task itself, which is there only when the task is. */
function isOwnProc(task: RestoreTask, { name }: RegFileEntry): boolean {
  return Buffer.from(name).toString("latin1").startsWith(`/proc/${task.pid}/`);
}

function entryOf(entry: FileEntry): RegFileEntry {
  if (!entry.reg) throw new ImageError("a regular file without its part", { file: "files.img" });
  return entry.reg;
}

/** A log, to which others may write as well: its size says nothing. */
function mayGrow(flags: number): boolean {
  return (flags & O_ACCMODE) === O_WRONLY && (flags & O_APPEND) !== 0;
}

function statNow(path: Buffer): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** The file is there and is the one that it was, as far as mode, size and build id tell. */
function checkUnchanged(reg: RegFileEntry): void {
  const path = Buffer.from(reg.name);
  const file = path.toString();
  const now = statNow(path);
  if (!now) {
    throw new HostMismatchError("the file is gone", { file, hint: "put it back where it was" });
  }
  const changed = (what: string, then: string, is: string) =>
    new HostMismatchError(`the file has changed since the dump: its ${what} was ${then} and is ${is}`, {
      file,
      hint: "bring back the file as it was",
    });
  if (reg.mode !== undefined && (now.mode & S_IFMT) !== (reg.mode & S_IFMT)) {
    throw changed("mode", `0${reg.mode.toString(8)}`, `0${now.mode.toString(8)}`);
  }
  if (reg.size !== undefined && BigInt(now.size) !== reg.size) {
    throw changed("size", `${reg.size} bytes`, `${now.size}`);
  }
  if (reg.build_id.length > 0) {
    const hex = (words: number[]) => Buffer.from(new Uint32Array(words).buffer).toString("hex");
    const buildId = buildIdOf(path, now);
    if (hex(buildId) !== hex(reg.build_id))
      throw changed("build id", hex(reg.build_id), hex(buildId) || "none");
  }
}

export const regular: FileKind = {
  type: FdTypes.REG,
  name: "regular file",

  recognises(file) {
    const { stat, flags } = file;
    if (!isReachable(file)) return false;
    return stat.isFile() || stat.isDirectory() || isStatelessDevice(file) || (flags & O_PATH) !== 0;
  },

  describe(file, id) {
    const { stat, flags, pos, owner } = file;
    const name = nameOf(file);
    if (name[0] !== "/".charCodeAt(0)) {
      throw new UnsupportedError("a file that cannot be reached from the root directory", {
        fd: file.fd,
        file: name.toString(),
      });
    }
    remember(file, id);
    return {
      type: FdTypes.REG,
      id,
      reg: {
        id,
        flags,
        pos: flags & O_PATH ? 0n : pos,
        fown: owner,
        name,
        mode: Number(stat.mode),
        ...(stat.isFile() && !mayGrow(flags) ? { size: stat.size } : {}),
        build_id: stat.isFile() ? buildIdOf(file.source, stat) : [],
      },
    };
  },

  check(task, entry) {
    const reg = entryOf(entry);
    if (reg.ext) throw new UnsupportedError("a file of a plugin", { file: Buffer.from(reg.name).toString() });
    // Device nodes may belong to a terminal, which is replaced.
    if (pathAtRestore(task, entry.id) === undefined && !isCharacterDevice(reg) && !isOwnProc(task, reg))
      checkUnchanged(reg);
  },

  open(task: RestoreTask, batch: Batch, entry: FileEntry, close: number, access?: number): Op {
    const reg = entryOf(entry);
    const path = pathAtRestore(task, entry.id)?.() ?? reg.name;
    const isLink = ((reg.mode ?? 0) & S_IFMT) === S_IFLNK;
    const flags = access ?? flagsToOpenWith(reg.flags) | close | (isLink ? O_PATH : 0);
    const fd = batch.call("openat", [AT_FDCWD, batch.text(path), flags, 0]);
    if (reg.pos !== 0n && seeks(reg)) batch.call("lseek", [fd, reg.pos, SEEK_SET]);
    return fd;
  },
};
