/** Paths of files, sockets, watches; working directories; flags of open files. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import { FdTypes, type FileEntry, type RegFileEntry } from "../../generated/messages.ts";
import { text } from "../../images/json/to-json.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { fileOf } from "../files.ts";
import { bytesOf, on, type Replacement, replacePrefix, type Transform } from "./transform.ts";

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
  return {
    name: `path ${replacement.from}=${replacement.to}`,
    check(checkpoint) {
      refuseCollisions(checkpoint, replacement);
    },
    image(name, records, note) {
      on("FILES", name, records, (files) => {
        for (const [record, { message }] of files.entries()) {
          const { reg, usk, ify } = message;
          const path = reg && changed(reg.name);
          if (path) {
            note(record, "reg.name", text(reg.name), text(path));
            reg.name = path;
          }
          if (usk && usk.name[0] !== 0) {
            const socket = changed(usk.name);
            const directory = usk.name_dir && changed(usk.name_dir);
            if (socket) note(record, "usk.name", text(usk.name), text(socket));
            if (directory) note(record, "usk.name_dir", text(usk.name_dir!), text(directory));
            usk.name = socket ?? usk.name;
            usk.name_dir = directory ?? usk.name_dir;
          }
          for (const [index, { f_handle }] of (ify?.wd ?? []).entries()) {
            const watched = f_handle.path && changed(f_handle.path);
            if (!watched) continue;
            note(record, `ify.wd[${index}].f_handle.path`, text(f_handle.path!), text(watched));
            f_handle.path = watched;
          }
        }
      });
    },
  };
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
      on("FILES", name, records, (files) => {
        for (const [record, { message }] of files.entries()) {
          if (message.reg === undefined || text(message.reg.name) !== path) continue;
          const flags = (message.reg.flags | set) & ~clear;
          if (flags === message.reg.flags) continue;
          note(record, "reg.flags", `0${message.reg.flags.toString(8)}`, `0${flags.toString(8)}`);
          message.reg.flags = flags;
        }
      });
    },
  };
}
