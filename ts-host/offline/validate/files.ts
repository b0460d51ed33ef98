/** Open files: every id that is named is there, and is of the type that is needed. */
import { FdTypes, type FileEntry, RemapType } from "../../generated/messages.ts";
import type { ImageName } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { typeName } from "../describe-file.ts";
import { fieldOfType } from "../files.ts";
import { type Finding, type Place, strange, wrong } from "./finding.ts";
import type { Images } from "./images.ts";

const FILE = "files.img";
const TCP = 6;
const ESTABLISHED = 1;
const MAX_DESCRIPTOR = 0x7fffffff;

/** The files by id; damaged images count as empty. */
export type Files = ReadonlyMap<number, FileEntry>;

export function* checkFiles(images: Images, files: Files): Generator<Finding> {
  yield* checkEntries(images, files);
  yield* checkDescriptors(images, files);
  yield* checkDirectories(images, files);
  yield* checkQueues(images, files);
  yield* checkGhosts(images, files);
  yield* checkLocks(images);
}

function* missingFile(files: Files, id: number, place: Place, types?: readonly number[]): Generator<Finding> {
  const file = files.get(id);
  if (file === undefined) yield wrong(place, `no file has the id ${id}`);
  else if (types !== undefined && !types.includes(file.type)) {
    const expected = types.map(typeName).join(" or ");
    yield wrong(place, `file ${id} is of type ${typeName(file.type)}, not ${expected}`);
  }
}

function* checkEntries(images: Images, files: Files): Generator<Finding> {
  const terminals = new Set(images.messages({ kind: "TTY_INFO" }).map(({ id }) => id));
  const inodes = new Set(images.messages({ kind: "MEMFD_INODE" }).map(({ inode_id }) => inode_id));
  const sockets = new Set([...files.values()].map(({ usk }) => usk?.ino));
  const seen = new Set<number>();
  for (const [record, entry] of images.messages({ kind: "FILES" }).entries()) {
    const place = { file: FILE, record };
    if (seen.has(entry.id)) yield wrong({ ...place, field: "id" }, `another file has the id ${entry.id} too`);
    seen.add(entry.id);
    const field = fieldOfType(entry.type);
    if (field === undefined) yield wrong({ ...place, field: "type" }, `${entry.type} is no type of a file`);
    else if (entry[field] === undefined)
      yield wrong({ ...place, field }, `missing in a file of type ${typeName(entry.type)}`);
    else if ((entry[field] as { id: number }).id !== entry.id) {
      yield wrong({ ...place, field: `${field}.id` }, `is not the file's own id, ${entry.id}`);
    }
    const { fifo, tty, memfd, usk, isk } = entry;
    if (fifo?.regf_id !== undefined)
      yield* missingFile(files, fifo.regf_id, { ...place, field: "fifo.regf_id" }, [FdTypes.REG]);
    if (tty?.regf_id !== undefined)
      yield* missingFile(files, tty.regf_id, { ...place, field: "tty.regf_id" }, [FdTypes.REG]);
    if (tty && !terminals.has(tty.tty_info_id)) {
      yield wrong({ ...place, field: "tty.tty_info_id" }, `tty-info.img has no terminal ${tty.tty_info_id}`);
    }
    if (memfd && !inodes.has(BigInt(memfd.inode_id))) {
      yield wrong({ ...place, field: "memfd.inode_id" }, `memfd.img has no inode ${memfd.inode_id}`);
    }
    if (usk && usk.peer !== 0 && !sockets.has(usk.peer)) {
      yield strange({ ...place, field: "usk.peer" }, `socket ${usk.peer} is outside of the checkpoint`);
    }
    if (isk && isk.proto === TCP && isk.state === ESTABLISHED) {
      const name: ImageName = { kind: "TCP_STREAM", id: isk.ino };
      if (!images.checkpoint.has(name))
        yield wrong({ ...place, field: "isk.ino" }, `${imageFileName(name)} is missing`);
    }
  }
}

function* checkDescriptors(images: Images, files: Files): Generator<Finding> {
  for (const name of images.named("FDINFO")) {
    const file = imageFileName(name);
    const seen = new Set<number>();
    for (const [record, { fd, id, type }] of images.messages(name).entries()) {
      const place = { file, record };
      if (fd > MAX_DESCRIPTOR) yield wrong({ ...place, field: "fd" }, `${fd} is no descriptor`);
      if (seen.has(fd)) yield wrong({ ...place, field: "fd" }, `descriptor ${fd} is there twice`);
      seen.add(fd);
      yield* missingFile(files, id, { ...place, field: "id" }, type === FdTypes.CTL_TTY ? undefined : [type]);
    }
  }
}

function* checkDirectories(images: Images, files: Files): Generator<Finding> {
  for (const name of images.named("FS")) {
    for (const [record, { cwd_id, root_id }] of images.messages(name).entries()) {
      const place = { file: imageFileName(name), record };
      yield* missingFile(files, cwd_id, { ...place, field: "cwd_id" }, [FdTypes.REG]);
      yield* missingFile(files, root_id, { ...place, field: "root_id" }, [FdTypes.REG]);
    }
  }
}

/** What is under way in pipes, sockets and terminals belongs to one that is there. */
function* checkQueues(images: Images, files: Files): Generator<Finding> {
  const all = [...files.values()];
  const pipes = new Set(all.flatMap(({ pipe, fifo }) => pipe?.pipe_id ?? fifo?.pipe_id ?? []));
  for (const kind of ["PIPES_DATA", "FIFO_DATA"] as const) {
    for (const [record, { pipe_id, bytes, size }] of images.messages({ kind }).entries()) {
      const place = { file: imageFileName({ kind }), record };
      if (!pipes.has(pipe_id))
        yield wrong({ ...place, field: "pipe_id" }, `no file is an end of pipe ${pipe_id}`);
      if (size !== undefined && bytes > size)
        yield wrong({ ...place, field: "bytes" }, `${bytes} do not fit into ${size}`);
    }
  }
  const sockets = [FdTypes.UNIXSK, FdTypes.INETSK, FdTypes.NETLINKSK, FdTypes.PACKETSK];
  for (const [record, { id_for }] of images.messages({ kind: "SK_QUEUES" }).entries()) {
    yield* missingFile(files, id_for, { file: "sk-queues.img", record, field: "id_for" }, sockets);
  }
  const terminals = new Set(images.messages({ kind: "TTY_INFO" }).map(({ id }) => id));
  for (const [record, { tty_id }] of images.messages({ kind: "TTY_DATA" }).entries()) {
    if (terminals.has(tty_id)) continue;
    yield wrong({ file: "tty-data.img", record, field: "tty_id" }, `tty-info.img has no terminal ${tty_id}`);
  }
  const streams = new Set(all.map(({ isk }) => isk?.ino));
  for (const name of images.named("TCP_STREAM")) {
    if (!streams.has(name.id as number))
      yield strange({ file: imageFileName(name) }, "no socket has this inode number");
  }
}

/** Files without a name: each that is remapped is there, and so is what takes its place. */
function* checkGhosts(images: Images, files: Files): Generator<Finding> {
  const used = new Set<number>();
  for (const [record, remap] of images.messages({ kind: "REMAP_FPATH" }).entries()) {
    const place = { file: "remap-fpath.img", record };
    yield* missingFile(files, remap.orig_id, { ...place, field: "orig_id" });
    const type = remap.remap_type ?? RemapType.LINKED;
    if (type === RemapType.LINKED) yield* missingFile(files, remap.remap_id, { ...place, field: "remap_id" });
    if (type !== RemapType.GHOST) continue;
    used.add(remap.remap_id);
    const name: ImageName = { kind: "GHOST_FILE", id: remap.remap_id };
    if (!images.checkpoint.has(name))
      yield wrong({ ...place, field: "remap_id" }, `${imageFileName(name)} is missing`);
  }
  for (const name of images.named("GHOST_FILE")) {
    if (!used.has(name.id as number))
      yield strange({ file: imageFileName(name) }, "no file is remapped to it");
  }
}

function* checkLocks(images: Images): Generator<Finding> {
  const processes = new Map(
    images.messages({ kind: "PSTREE" }).map(({ pid }) => [pid, descriptorsOf(images, pid)]),
  );
  for (const [record, { pid, fd }] of images.messages({ kind: "FILE_LOCKS" }).entries()) {
    const place = { file: "filelocks.img", record };
    const descriptors = processes.get(pid);
    if (descriptors === undefined) yield wrong({ ...place, field: "pid" }, `the tree has no process ${pid}`);
    else if (!descriptors.has(fd))
      yield wrong({ ...place, field: "fd" }, `process ${pid} has no descriptor ${fd}`);
  }
}

function descriptorsOf(images: Images, pid: number): Set<number> {
  const perId = images.first({ kind: "INVENTORY" })?.fdinfo_per_id;
  const id = perId ? images.first({ kind: "IDS", id: pid })?.files_id : pid;
  return new Set(id === undefined ? [] : images.messages({ kind: "FDINFO", id }).map(({ fd }) => fd));
}
