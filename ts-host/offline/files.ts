/** files.img: every open file description, mapped file, root and working directory, by its id. */
import { ImageError } from "../errors.ts";
import { FdTypes, type FileEntry, type ImageKind } from "../generated/messages.ts";
import type { CheckpointReader } from "../images/checkpoint.ts";

/** Before CRIU 3.0 each type had an image of its own: its kind, and where files.img has such an entry now. */
const SEPARATE: [ImageKind, keyof typeof FdTypes, keyof FileEntry][] = [
  ["REG_FILES", "REG", "reg"],
  ["PIPES", "PIPE", "pipe"],
  ["FIFO", "FIFO", "fifo"],
  ["INETSK", "INETSK", "isk"],
  ["UNIXSK", "UNIXSK", "usk"],
  ["EVENTFD_FILE", "EVENTFD", "efd"],
  ["EVENTPOLL_FILE", "EVENTPOLL", "epfd"],
  ["INOTIFY_FILE", "INOTIFY", "ify"],
  ["SIGNALFD", "SIGNALFD", "sgfd"],
  ["PACKETSK", "PACKETSK", "psk"],
  ["TTY_FILES", "TTY", "tty"],
  ["FANOTIFY_FILE", "FANOTIFY", "ffy"],
  ["NETLINK_SK", "NETLINKSK", "nlsk"],
  ["NS_FILES", "NS", "nsf"],
  ["TUNFILE", "TUNF", "tunf"],
  ["EXT_FILES", "EXT", "ext"],
  ["TIMERFD", "TIMERFD", "tfd"],
  ["BPFMAP_FILE", "BPFMAP", "bpf"],
  ["PIDFD", "PIDFD", "pidfd"],
];

/** The field of a file_entry that holds what its type says; undefined for types that have none. */
export function fieldOfType(type: number): keyof FileEntry | undefined {
  if (type === FdTypes.MEMFD) return "memfd";
  return SEPARATE.find(([, name]) => FdTypes[name] === type)?.[2];
}

/** Images that describe open files. */
export const FILE_IMAGES: readonly ImageKind[] = ["FILES", ...SEPARATE.map(([kind]) => kind)];

/** The file that a record of such an image describes; the message in it is the record's own. */
export function fileIn(kind: ImageKind, message: object): FileEntry {
  const separate = SEPARATE.find(([each]) => each === kind);
  if (separate === undefined) return message as FileEntry;
  const [, type, field] = separate;
  return { type: FdTypes[type], id: (message as { id: number }).id, [field]: message };
}

/** All files of a checkpoint by id. The later of two with one id counts; `validate` reports the first. */
export function readFiles(reader: CheckpointReader): ReadonlyMap<number, FileEntry> {
  const files = new Map<number, FileEntry>();
  for (const kind of FILE_IMAGES) {
    if (!reader.has({ kind })) continue;
    for (const { message } of reader.read({ kind })) {
      const file = fileIn(kind, message);
      files.set(file.id, file);
    }
  }
  return files;
}

/** The file with that id. @throws ImageError where there is none */
export function fileOf(files: ReadonlyMap<number, FileEntry>, id: number): FileEntry {
  const file = files.get(id);
  if (file === undefined) throw new ImageError(`no file has the id ${id}`, { file: "files.img" });
  return file;
}
