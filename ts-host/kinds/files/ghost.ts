/**
 * Files that are held but not to be reached by the name under which they were opened.
 *
 * Ghosts have no name at all: their content goes into the images (up to --ghost-limit), and at restore they
 * are made anew, opened, and unlinked again. Files that have another name somewhere get, with --link-remap, one
 * more beside the old one, which the restore uses up.
 *
 * Lost: extended attributes of ghosts. Where the old name belongs to another file by then, /proc shows the
 * name that was used instead.
 */
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { DumpContext, DumpTask } from "../../engine/dump-task.ts";
import type { RestoreContext, RestoreTask } from "../../engine/restore-task.ts";
import { ImageError, UnsupportedError } from "../../errors.ts";
import {
  FdTypes,
  type GhostFileEntry,
  type RemapFilePathEntry,
  RemapType,
  type Timeval,
} from "../../generated/messages.ts";
import { readGhostChunks, writeGhostChunks } from "../../images/framing.ts";
import { onlyRecord } from "../../images/only-message.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../../kernel/abi/fcntl.ts";
import { timespec } from "../../kernel/abi/time.ts";
import { call } from "../../native/calls.ts";
import { dataRanges } from "../memory/shared.ts";
import { endedProcess, makeProcess, processOf } from "./ended-process.ts";
import type { HeldFile } from "./file-kind.ts";
import { NO_OWNER } from "./owner.ts";

const DELETED = Buffer.from(" (deleted)");
const BLOCK = 512n;
const READ_ONLY_DIRECTORY = 0o755;
/** Longest path, in bytes with the NUL. */
const PATH_MAX = 4096;

/** The name under which a file was opened; the link of one whose name is gone says so at its end. */
export function nameOf({ link, stat }: HeldFile): Buffer {
  const marked = link.subarray(-DELETED.length).equals(DELETED);
  return marked && !leadsTo(link, stat) ? link.subarray(0, -DELETED.length) : link;
}

function leadsTo(path: Buffer, stat: BigIntStats): boolean {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && found.ino === stat.ino && found.dev === stat.dev;
}

const isTaken = (path: Buffer) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

// Dump.

interface Remap {
  file: HeldFile;
  /** Id of the ghost, or of the file entry with the name that was added. */
  id: number;
  name: Buffer;
}

/** What one dump found, by device and inode. */
class Remaps {
  readonly ghosts = new Map<string, Remap>();
  readonly links = new Map<string, Remap>();
  /** Their pids. */
  readonly endedProcesses = new Set<number>();
}

const dumped = new WeakMap<DumpContext, Remaps>();

function remapsOf(context: DumpContext): Remaps {
  let remaps = dumped.get(context);
  if (!remaps) {
    remaps = new Remaps();
    dumped.set(context, remaps);
  }
  return remaps;
}

function about({ fd, link }: HeldFile) {
  return { fd, file: link.toString() };
}

/** Notes that the file of entry `id` is not what its name leads to, if that is so. */
export function remember(file: HeldFile, id: number): void {
  const name = nameOf(file);
  if (leadsTo(name, file.stat)) return;
  const remap = remapOf(file, name);
  if (remap) file.task.images.append({ kind: "REMAP_FPATH" }, { message: { orig_id: id, ...remap } });
}

function remapOf(
  file: HeldFile,
  name: Buffer,
): Pick<RemapFilePathEntry, "remap_id" | "remap_type"> | undefined {
  const pid = endedProcess(file, name);
  if (pid !== undefined) {
    const { endedProcesses } = remapsOf(file.task.context);
    // One record for all files of a process.
    if (endedProcesses.has(pid)) return undefined;
    endedProcesses.add(pid);
    return { remap_id: pid, remap_type: RemapType.PROCFS };
  }
  const isGone = file.stat.nlink === 0n || (file.stat.isDirectory() && !name.equals(file.link));
  if (isGone) return { remap_id: rememberGhost(file, name), remap_type: RemapType.GHOST };
  return { remap_id: rememberLink(file, name), remap_type: RemapType.LINKED };
}

function rememberGhost(file: HeldFile, name: Buffer): number {
  const { stat, task } = file;
  if (stat.isFIFO() || stat.isSocket()) {
    throw new UnsupportedError(
      `an unlinked ${stat.isFIFO() ? "FIFO" : "socket"}: not supported yet`,
      about(file),
    );
  }
  const taken = stat.blocks * BLOCK;
  if (stat.isFile() && taken > task.options.ghostLimit) {
    throw new UnsupportedError(`an unlinked file of ${taken} bytes, more than --ghost-limit allows`, {
      ...about(file),
      hint: `use --ghost-limit ${taken}`,
    });
  }
  const { ghosts } = remapsOf(task.context);
  const key = `${stat.dev}:${stat.ino}`;
  const known = ghosts.get(key);
  if (known) return known.id;
  const ghost = { file, id: ghosts.size + 1, name };
  ghosts.set(key, ghost);
  return ghost.id;
}

function rememberLink(file: HeldFile, name: Buffer): number {
  const { stat, task } = file;
  if (!task.options.linkRemap) {
    throw new UnsupportedError(
      "its name is gone or leads to another file, but it has another name somewhere",
      {
        ...about(file),
        hint: "use --link-remap: it gives the file one more name beside the old one, which the restore removes",
      },
    );
  }
  const { links } = remapsOf(task.context);
  const key = `${stat.dev}:${stat.ino}`;
  const known = links.get(key);
  if (known) return known.id;
  const id = task.files.allocate();
  const directory = name.subarray(0, name.lastIndexOf("/") + 1);
  const extra = additionalName(directory, id);
  links.set(key, { file, id, name: extra });
  task.images.append(
    { kind: "FILES" },
    {
      message: {
        type: FdTypes.REG,
        id,
        reg: {
          id,
          flags: O_RDONLY,
          pos: 0n,
          fown: NO_OWNER,
          name: extra,
          mode: Number(stat.mode),
          build_id: [],
        },
      },
    },
  );
  return id;
}

/** Such a name may be there from a checkpoint that was not restored. */
function additionalName(directory: Buffer, id: number): Buffer {
  for (let attempt = 0; ; attempt++) {
    const suffix = attempt === 0 ? "" : `.${attempt}`;
    const name = Buffer.concat([directory, Buffer.from(`link_remap.${id}${suffix}`)]);
    if (!isTaken(name)) return name;
  }
}

const MICROSECOND = 1000n;

function timeval(nanoseconds: bigint): Timeval {
  const microseconds = nanoseconds / MICROSECOND;
  return { tv_sec: microseconds / 1_000_000n, tv_usec: microseconds % 1_000_000n };
}

function beyondMicroseconds({ atimeNs, mtimeNs }: BigIntStats): Pick<GhostFileEntry, "criu_wasm"> {
  const [atim, mtim] = [Number(atimeNs % MICROSECOND), Number(mtimeNs % MICROSECOND)];
  return atim === 0 && mtim === 0 ? {} : { criu_wasm: { atim_ns: atim, mtim_ns: mtim } };
}

/** Content of a file: a chunk for each part between its holes. */
function readContent(source: string, size: bigint): Uint8Array {
  const fd = openSync(source, "r");
  try {
    const chunks = dataRanges(fd, size).map(({ start, end }) => {
      const content = Buffer.alloc(Number((end < size ? end : size) - start));
      readSync(fd, content, 0, content.length, start);
      return { offset: start, content };
    });
    return writeGhostChunks(chunks);
  } finally {
    closeSync(fd);
  }
}

/** Where the symbolic link leads that `source` leads to: the magic link is followed, and not what it leads to. */
function readTarget(source: string): Uint8Array {
  const fd = openSync(source, O_PATH);
  try {
    const target = Buffer.alloc(PATH_MAX);
    return target.subarray(0, Number(call("readlinkat", fd, terminated(""), target, PATH_MAX)));
  } finally {
    closeSync(fd);
  }
}

/** Device numbers as the kernel packs them: 12 bits major, 20 bits minor. */
function kernelDevice(dev: bigint): number {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return Number(((major & 0xfffn) << 20n) | (minor & 0xfffffn));
}

function writeGhost(task: DumpTask, { file, id }: Remap): void {
  const { stat, source } = file;
  const payload = stat.isFile() ? readContent(source, stat.size) : undefined;
  const message: GhostFileEntry = {
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mode: Number(stat.mode),
    dev: kernelDevice(stat.dev),
    ino: stat.ino,
    atim: timeval(stat.atimeNs),
    mtim: timeval(stat.mtimeNs),
    ...(stat.isFile() ? { chunks: true, size: stat.size } : {}),
    ...(stat.isCharacterDevice() || stat.isBlockDevice() ? { rdev: Number(stat.rdev) } : {}),
    ...(stat.isSymbolicLink() ? { symlnk_target: readTarget(source) } : {}),
    ...beyondMicroseconds(stat),
  };
  task.images.append({ kind: "GHOST_FILE", id }, { message, payload });
}

/** With the NUL that a system call expects. */
function terminated(path: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(path as Buffer), Buffer.alloc(1)]);
}

function addName(task: DumpTask, { file, name }: Remap): void {
  call("linkat", AT_FDCWD, terminated(file.source), AT_FDCWD, terminated(name), AT_SYMLINK_FOLLOW);
  task.context.aftermath.add((succeeded) => {
    if (!succeeded) unlinkSync(name);
  });
}

/** Puts the content of ghosts into the images, and gives files the additional names. */
export function dumpRemaps(task: DumpTask): void {
  const { ghosts, links } = remapsOf(task.context);
  for (const ghost of ghosts.values()) writeGhost(task, ghost);
  for (const link of links.values()) addName(task, link);
}

// Restore.

interface Remapped {
  /** Of the ghost, of the file entry with the additional name, or of the ended process. */
  id: number;
  type: number;
}

/** What one restore has made to open files by: by file id and by remap, the path to open. */
interface Made {
  remaps: Map<number, Remapped>;
  endedProcesses: Set<number>;
  /** Those of them that were made again. */
  processes: Set<number>;
  paths: Map<string, Buffer>;
  parents: Set<string>;
}

const restored = new WeakMap<RestoreContext, Made>();

function madeBy(context: RestoreContext): Made {
  let made = restored.get(context);
  if (!made) {
    const { reader } = context;
    const records = reader.has({ kind: "REMAP_FPATH" }) ? reader.read({ kind: "REMAP_FPATH" }) : [];
    made = {
      remaps: new Map(
        records.map(({ message }) => [
          message.orig_id,
          { id: message.remap_id, type: message.remap_type ?? RemapType.LINKED },
        ]),
      ),
      endedProcesses: new Set(
        records
          .filter(({ message }) => message.remap_type === RemapType.PROCFS)
          .map(({ message }) => message.remap_id),
      ),
      processes: new Set(),
      paths: new Map(),
      parents: new Set(),
    };
    restored.set(context, made);
  }
  return made;
}

function nameOfEntry(task: RestoreTask, id: number): Buffer {
  const name = task.context.files.get(id)?.reg?.name;
  if (!name) throw new ImageError(`no file with a path has the id ${id}`, { file: "files.img" });
  return Buffer.from(name);
}

/**
 * Where the file of an entry is to be opened when its own name does not lead to it; undefined when it does.
 * The file is made when the function is called, and tidied up when the restore ends.
 */
export function pathAtRestore(task: RestoreTask, fileId: number): (() => Buffer) | undefined {
  const made = madeBy(task.context);
  const name = Buffer.from(task.context.files.get(fileId)?.reg?.name ?? []);
  const ended = processOf(name);
  if (ended !== undefined && made.endedProcesses.has(ended)) {
    return () => {
      if (!made.processes.has(ended)) makeProcess(task.context, ended);
      made.processes.add(ended);
      return name;
    };
  }
  const remap = made.remaps.get(fileId);
  if (!remap) return undefined;
  const key = `${remap.type} ${remap.id}`;
  return () => {
    let path = made.paths.get(key);
    if (!path) {
      path = makePath(task, made, remap, nameOfEntry(task, fileId));
      made.paths.set(key, path);
    }
    return path;
  };
}

function makePath(task: RestoreTask, made: Made, remap: Remapped, name: Buffer): Buffer {
  switch (remap.type) {
    case RemapType.GHOST:
      return makeGhost(task, made, remap.id, name);
    case RemapType.LINKED:
      return useLink(task, remap, name);
    default:
      throw new ImageError(`a remap of type ${remap.type} is not known`, { file: "remap-fpath.img" });
  }
}

/** The name itself where it is free, else one beside it. */
function freeName(name: Buffer, id: number): Buffer {
  return isTaken(name) ? Buffer.concat([name, Buffer.from(`.criu-wasm.${id}.ghost`)]) : name;
}

function makeParents(context: RestoreContext, made: Made, path: Buffer): void {
  const parent = path.subarray(0, path.lastIndexOf("/"));
  if (parent.length === 0 || isTaken(parent)) return;
  makeParents(context, made, parent);
  mkdirSync(parent, READ_ONLY_DIRECTORY);
  made.parents.add(parent.toString("latin1"));
  context.aftermath.add(() => rmdirSync(parent));
}

function setTimes(path: Buffer, { atim, mtim, criu_wasm }: GhostFileEntry): void {
  if (!atim || !mtim) return;
  const pack = ({ tv_sec, tv_usec }: Timeval, ns = 0) =>
    timespec.pack({ tv_sec, tv_nsec: tv_usec * MICROSECOND + BigInt(ns) });
  const times = Buffer.concat([pack(atim, criu_wasm?.atim_ns), pack(mtim, criu_wasm?.mtim_ns)]);
  call("utimensat", AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW);
}

function makeGhost(task: RestoreTask, made: Made, id: number, name: Buffer): Buffer {
  const { context } = task;
  const { message: ghost, payload = new Uint8Array() } = onlyRecord(context.reader, {
    kind: "GHOST_FILE",
    id,
  });
  const type = ghost.mode & S_IFMT;
  if (type === S_IFDIR && made.parents.has(name.toString("latin1"))) return name;
  makeParents(context, made, name);
  const path = freeName(name, id);
  makeNode(path, ghost, payload);
  context.aftermath.add(() => (type === S_IFDIR ? rmdirSync(path) : unlinkSync(path)));
  lchownSync(path, ghost.uid, ghost.gid);
  if (type !== S_IFLNK) chmodSync(path, ghost.mode & 0o7777);
  setTimes(path, ghost);
  return path;
}

function makeNode(path: Buffer, ghost: GhostFileEntry, payload: Uint8Array): void {
  const type = ghost.mode & S_IFMT;
  switch (type) {
    case S_IFDIR:
      mkdirSync(path);
      break;
    case S_IFLNK:
      symlinkSync(Buffer.from(ghost.symlnk_target ?? []), path);
      break;
    case S_IFCHR:
    case S_IFBLK:
      call("mknodat", AT_FDCWD, terminated(path), type, ghost.rdev ?? 0);
      break;
    case S_IFREG:
      writeContent(path, ghost, payload);
      break;
    default:
      throw new UnsupportedError(`an unlinked file of mode 0${ghost.mode.toString(8)}: not supported yet`, {
        file: path.toString(),
      });
  }
}

function writeContent(path: Buffer, ghost: GhostFileEntry, payload: Uint8Array): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    const chunks = ghost.chunks ? readGhostChunks(payload) : [{ offset: 0n, content: payload }];
    for (const { offset, content } of chunks) writeSync(fd, content, 0, content.length, Number(offset));
    if (ghost.chunks && ghost.size !== undefined) ftruncateSync(fd, Number(ghost.size));
  } finally {
    closeSync(fd);
  }
}

/** The additional name that the dump made, used up by a restore that succeeds; opened by its old one if that is free. */
function useLink(task: RestoreTask, remap: Remapped, name: Buffer): Buffer {
  const { aftermath } = task.context;
  const extra = nameOfEntry(task, remap.id);
  aftermath.add((succeeded) => {
    if (succeeded) unlinkSync(extra);
  });
  if (isTaken(name)) return extra;
  linkSync(extra, name);
  aftermath.add(() => unlinkSync(name));
  return name;
}
