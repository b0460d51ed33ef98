/** Paths of files, sockets, watches; working directories; flags of open files. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import { FdTypes, type FhEntry, type FileEntry, type RegFileEntry } from "../../generated/messages.ts";
import { imageFileName } from "../../images/framing.ts";
import { text } from "../../images/json/to-json.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { fileOf } from "../files.ts";
import { bytesOf, on, onFiles, type Replacement, replacePrefix, type Transform } from "./transform.ts";

function absolute(path: string): string {
  if (!path.startsWith("/")) throw new UsageError(`not an absolute path: ${path}`);
  return path;
}

/** Names that begin with a path get another. What programs keep in their memory is as it was. */
export function changePath(replacement: Replacement): Transform {
  absolute(replacement.from);
  absolute(replacement.to);
  const changed = (name: Uint8Array): Uint8Array | undefined => {
    const path = replacePrefix(text(name), replacement);
    return path === undefined ? undefined : bytesOf(path);
  };
  const changeHandle = (handle: FhEntry | undefined, tell: (before: string, after: string) => void): void => {
    const path = handle?.path && changed(handle.path);
    if (!path) return;
    tell(text(handle.path!), text(path));
    handle.path = path;
  };
  return {
    name: `path ${replacement.from}=${replacement.to}`,
    limits: "paths that programs keep in their memory",
    check(checkpoint) {
      refuseCollisions(checkpoint, replacement);
      refuseMounts(checkpoint, replacement);
    },
    image(name, records, note) {
      onFiles(name, records, note, ({ reg, usk, ify, ffy }, noteFile) => {
        const path = reg && changed(reg.name);
        if (path) {
          noteFile("reg.name", text(reg.name), text(path));
          reg.name = path;
        }
        if (usk && usk.name[0] !== 0) {
          const socket = changed(usk.name);
          const directory = usk.name_dir && changed(usk.name_dir);
          if (socket) noteFile("usk.name", text(usk.name), text(socket));
          if (directory) noteFile("usk.name_dir", text(usk.name_dir!), text(directory));
          usk.name = socket ?? usk.name;
          usk.name_dir = directory ?? usk.name_dir;
        }
        for (const [index, { f_handle }] of (ify?.wd ?? []).entries())
          changeHandle(f_handle, (...change) => noteFile(`ify.wd[${index}].f_handle.path`, ...change));
        for (const [index, { ie }] of (ffy?.mark ?? []).entries())
          changeHandle(ie?.f_handle, (...change) =>
            noteFile(`ffy.mark[${index}].ie.f_handle.path`, ...change),
          );
      });
      on("INOTIFY_WD", name, records, (watches) => {
        for (const [record, { message }] of watches.entries())
          changeHandle(message.f_handle, (...change) => note(record, "f_handle.path", ...change));
      });
      on("FANOTIFY_MARK", name, records, (marks) => {
        for (const [record, { message }] of marks.entries())
          changeHandle(message.ie?.f_handle, (...change) => note(record, "ie.f_handle.path", ...change));
      });
      on("IRMAP_CACHE", name, records, (paths) => {
        for (const [record, { message }] of paths.entries()) {
          const path = changed(message.path);
          if (path === undefined) continue;
          note(record, "path", text(message.path), text(path));
          message.path = path;
        }
      });
    },
  };
}

/** Mount points would have to move with what is mounted there. */
function refuseMounts(checkpoint: Checkpoint, replacement: Replacement): void {
  for (const name of checkpoint.list()) {
    if (name.kind !== "MNTS") continue;
    for (const [record, { message }] of checkpoint.read({ kind: "MNTS", id: name.id }).entries()) {
      const point = text(message.mountpoint);
      if (replacePrefix(point, replacement) === undefined) continue;
      throw new UnsupportedError(`${point} is a mount point of the processes' own namespace`, {
        file: imageFileName(name),
        record,
      });
    }
  }
}

/** Two files that are different must not become one. */
function refuseCollisions(checkpoint: Checkpoint, replacement: Replacement): void {
  const names = new Set([...checkpoint.files.values()].flatMap(({ reg }) => (reg ? [text(reg.name)] : [])));
  for (const name of names) {
    const path = replacePrefix(name, replacement);
    if (path === undefined || path === name || !names.has(path)) continue;
    if (replacePrefix(path, replacement) !== undefined) continue;
    throw new UnsupportedError(`${name} would become ${path}, which is another file of the checkpoint`);
  }
}

/** Gives processes another working directory: those that are named by a pid, or all. */
export function changeDirectories(wanted: readonly { path: string; pid?: number }[]): Transform {
  for (const { path } of wanted) absolute(path);
  const added = new Map<string, FileEntry>();
  const directories = new Map<number, number>();
  const place = (checkpoint: Checkpoint, pid: number, path: string): void => {
    const { fs } = checkpoint.process(pid);
    if (fs === undefined) return;
    const old = fileOf(checkpoint.files, fs.cwd_id).reg;
    if (old === undefined) throw new UnsupportedError("its working directory is no regular path", { pid });
    const id = added.get(path)?.id ?? Math.max(...checkpoint.files.keys()) + 1 + added.size;
    added.set(path, { type: FdTypes.REG, id, reg: directoryLike(old, id, path) });
    directories.set(pid, id);
  };
  return {
    name: `cwd ${wanted.map(({ path, pid }) => (pid === undefined ? path : `${pid}:${path}`)).join(" ")}`,
    check(checkpoint) {
      if (!checkpoint.has({ kind: "FILES" }))
        throw new UnsupportedError("images of before CRIU 3.0, which have no files.img");
      const pids = checkpoint.processes.map(({ pid }) => pid);
      for (const { path } of wanted.filter(({ pid }) => pid === undefined)) {
        for (const pid of pids) place(checkpoint, pid, path);
      }
      for (const { path, pid } of wanted) if (pid !== undefined) place(checkpoint, pid, path);
    },
    image(name, records, note) {
      on("FILES", name, records, (files) => {
        for (const [path, message] of added) {
          note(files.length, "reg.name", "", path);
          files.push({ message });
        }
      });
      on("FS", name, records, ([first]) => {
        const id = directories.get(name.id as number);
        if (id === undefined || first === undefined) return;
        note(0, "cwd_id", first.message.cwd_id, id);
        first.message.cwd_id = id;
      });
    },
  };
}

function directoryLike({ fown, mnt_id, mode }: RegFileEntry, id: number, path: string): RegFileEntry {
  return {
    id,
    flags: 0,
    pos: 0n,
    fown,
    name: bytesOf(path),
    mode,
    build_id: [],
    ...(mnt_id === undefined ? {} : { mnt_id }),
  };
}

/** Flags that fcntl can change on an open file; others decide how it is opened. */
const FLAGS: Record<string, number> = {
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECT: 0o40000,
  O_NOATIME: 0o1000000,
};

/** `PATH=+O_APPEND,-O_NONBLOCK`: flags of all open files with that path. */
export function changeOpenFlags({ from: path, to: list }: Replacement): Transform {
  let set = 0;
  let clear = 0;
  for (const item of list.split(",")) {
    const bit = FLAGS[item.slice(1)];
    if (bit === undefined || !/^[+-]/.test(item)) {
      throw new UsageError(
        `${item}: only ${Object.keys(FLAGS).join(", ")} can be changed, each with + or -`,
        {
          hint: "access mode and other flags decide how a file is opened, and what the program has checked since",
        },
      );
    }
    if (item.startsWith("+")) set |= bit;
    else clear |= bit;
  }
  return {
    name: `open-flags ${path}=${list}`,
    image(name, records, note) {
      onFiles(name, records, note, ({ reg }, noteFile) => {
        if (reg === undefined || text(reg.name) !== path) return;
        const flags = (reg.flags | set) & ~clear;
        if (flags === reg.flags) return;
        noteFile("reg.flags", `0${reg.flags.toString(8)}`, `0${flags.toString(8)}`);
        reg.flags = flags;
      });
    },
  };
}
