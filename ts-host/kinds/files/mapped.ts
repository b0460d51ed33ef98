/** Files that are held without a descriptor: mapped, executed, or a directory that the task is in. */
import { lstatSync, readlinkSync, statSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { FdTypes } from "../../generated/messages.ts";
import { O_RDONLY, O_RDWR, S_IWUSR } from "../../kernel/abi/fcntl.ts";
import type { SmapsVma } from "../../kernel/proc/smaps.ts";
import type { Batch, Op } from "../../remote/batch.ts";
import type { HeldFile } from "./file-kind.ts";
import { NO_OWNER } from "./owner.ts";
import { fileWithId, kindOfFile } from "./registry.ts";

export interface MappedFile {
  /** Id in files.img. */
  id: number;
  isMemfd: boolean;
  /** How it was open when it was mapped: O_RDONLY or O_RDWR. */
  access: number;
}

/** A file as the magic link `source` leads to it. */
function heldWithoutDescriptor(task: DumpTask, source: string): HeldFile {
  return {
    task,
    source,
    link: readlinkSync(source, { encoding: "buffer" }),
    stat: statSync(source, { bigint: true }),
    flags: O_RDONLY,
    pos: 0n,
    lines: [],
    owner: NO_OWNER,
  };
}

function register(file: HeldFile): number {
  const { task, stat, link } = file;
  const kind = kindOfFile(file);
  return task.files.once(`${stat.dev}:${stat.ino} ${link.toString("latin1")}`, (id) =>
    kind.describe(file, id),
  );
}

/** By task, the file of the mapping that was registered last: the next one is often of the same. */
const lastMapped = new WeakMap<DumpTask, { key: string; file: MappedFile }>();

/**
 * Registers the file behind a mapping; one entry serves all mappings of a file. Only to a shared mapping it
 * matters how its file was open: a private one takes what the first of the same file in a row has.
 */
export function registerMappedFile(task: DumpTask, mapping: SmapsVma): MappedFile {
  const { major, minor, inode, path, shared } = mapping;
  const key = `${major}:${minor}:${inode} ${path.toString("latin1")}`;
  const last = lastMapped.get(task);
  if (last?.key === key && !shared) return last.file;
  const source = `/proc/${task.pid}/map_files/${mapping.start.toString(16)}-${mapping.end.toString(16)}`;
  // The permissions of a magic link are those of the open file.
  const access = lstatSync(source).mode & S_IWUSR ? O_RDWR : O_RDONLY;
  if (last?.key === key) return { ...last.file, access };
  const held = heldWithoutDescriptor(task, source);
  const file = { id: register(held), isMemfd: kindOfFile(held).type === FdTypes.MEMFD, access };
  lastMapped.set(task, { key, file });
  return file;
}

/** Registers the program that the task runs. */
export function registerExecutable(task: DumpTask): number {
  return register(heldWithoutDescriptor(task, `/proc/${task.pid}/exe`));
}

/** Registers a directory by the name of its link in /proc/PID: "cwd", "root". */
export function registerDirectory(task: DumpTask, link: "cwd" | "root"): number {
  return register(heldWithoutDescriptor(task, `/proc/${task.pid}/${link}`));
}

/**
 * Queues the opening of a registered file; the op's result is a descriptor. What is mapped or executed is opened
 * with an `access`, O_RDONLY or O_RDWR, whatever the flags under which the file was registered.
 */
export function openRegistered(task: RestoreTask, batch: Batch, id: number, access?: number): Op {
  const { kind, entry } = fileWithId(task, id);
  return kind.open(task, batch, entry, 0, access);
}
