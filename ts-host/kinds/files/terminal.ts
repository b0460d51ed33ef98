/**
 * The terminal of a shell job (--shell-job). It stays outside the images: descriptors that led to it are
 * opened anew on the terminal that the restore is run at, its settings are made those of the dump, and a task
 * that was in the foreground is put there. Pairs of pseudo terminals of a task's own are refused.
 *
 * Lost: input that was typed but not read; the size of the window is the new terminal's.
 */
import { readlinkSync } from "node:fs";
import type { DumpContext } from "../../engine/dump-task.ts";
import type { Kind } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import { HostMismatchError, ImageError, UnsupportedError } from "../../errors.ts";
import {
  FdTypes,
  type FileEntry,
  type TermiosEntry,
  type TtyFileEntry,
  type TtyInfoEntry,
  TtyType,
} from "../../generated/messages.ts";
import { AT_FDCWD, O_NOCTTY } from "../../kernel/abi/fcntl.ts";
import {
  NCCS,
  TCGETS,
  TCSETS,
  TIOCGEXCL,
  TIOCGLCKTRMIOS,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCSPGRP,
  termios,
  winsize,
} from "../../kernel/abi/termios.ts";
import { tryCall } from "../../native/calls.ts";
import type { Batch, Data, Op } from "../../remote/batch.ts";
import type { FileKind, HeldFile } from "./file-kind.ts";
import { NO_OWNER } from "./owner.ts";

/** Major numbers: of pseudo terminals' slaves, and of the virtual console, serial lines, and /dev/tty. */
const FIRST_SLAVE = 136n;
const LAST_SLAVE = 143n;
const TTY_AUX = 5n;
const TTY_MAJORS = [4n, TTY_AUX];
const DEV_TTY_MINOR = 0n;
const PTMX_MINOR = 2n;

const major = (rdev: bigint) => (rdev >> 8n) & 0xfffn;
const minor = (rdev: bigint) => rdev & 0xffn;
const isSlave = (rdev: bigint) => major(rdev) >= FIRST_SLAVE && major(rdev) <= LAST_SLAVE;
const isMaster = (rdev: bigint) => major(rdev) === TTY_AUX && minor(rdev) === PTMX_MINOR;
const isDevTty = (rdev: bigint) => major(rdev) === TTY_AUX && minor(rdev) === DEV_TTY_MINOR;

function typeOf(rdev: bigint): number {
  if (isSlave(rdev)) return TtyType.PTY;
  if (isDevTty(rdev)) return TtyType.CTTY;
  return major(rdev) === TTY_AUX ? TtyType.CONSOLE : TtyType.VT;
}

/** The control characters, four to a word: so CRIU's images have them. */
function toTermiosEntry(data: Data): TermiosEntry {
  const { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc } = termios.read(data.bytes);
  const words = Buffer.alloc(4 * NCCS);
  words.set(c_cc);
  return {
    c_iflag,
    c_oflag,
    c_cflag,
    c_lflag,
    c_line,
    c_ispeed: 0,
    c_ospeed: 0,
    c_cc: Array.from({ length: NCCS }, (_, index) => words.readUInt32LE(4 * index)),
  };
}

function fromTermiosEntry({ c_cc, ...flags }: TermiosEntry): Uint8Array {
  const words = Buffer.alloc(4 * NCCS);
  for (const [index, word] of c_cc.slice(0, NCCS).entries()) words.writeUInt32LE(word, 4 * index);
  const { c_iflag, c_oflag, c_cflag, c_lflag, c_line } = flags;
  return termios.pack({ c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc: words.subarray(0, NCCS) });
}

/** Ids of the terminals of a dump, by device number. */
const infoIds = new WeakMap<DumpContext, Map<bigint, number>>();

function infoId({ task, stat }: HeldFile): { id: number; isNew: boolean } {
  const ids = infoIds.get(task.context) ?? new Map<bigint, number>();
  infoIds.set(task.context, ids);
  const known = ids.get(stat.rdev);
  if (known !== undefined) return { id: known, isNew: false };
  ids.set(stat.rdev, ids.size);
  return { id: ids.size - 1, isNew: true };
}

/** Queues what a terminal's info holds; the returned function writes it. */
function askInfo({ task, stat, fd }: HeldFile, batch: Batch, id: number): () => void {
  const ask = (request: number, size: number) => {
    const data = batch.room(size);
    return { data, op: batch.call("ioctl", [fd!, request, data], { mayFail: true }) };
  };
  const settings = ask(TCGETS, termios.size);
  const locked = ask(TIOCGLCKTRMIOS, termios.size);
  const size = ask(TIOCGWINSZ, winsize.size);
  const session = ask(TIOCGSID, 4);
  const foreground = ask(TIOCGPGRP, 4);
  const exclusive = ask(TIOCGEXCL, 4);
  const word = ({ op, data }: { op: Op; data: Data }) => (op.failed ? 0 : data.bytes.readUInt32LE(0));
  return () => {
    const message: TtyInfoEntry = {
      id,
      type: typeOf(stat.rdev),
      locked: false,
      exclusive: word(exclusive) !== 0,
      packet_mode: false,
      sid: word(session),
      pgrp: word(foreground),
      rdev: Number(stat.rdev),
      termios: toTermiosEntry(settings.data),
      termios_locked: toTermiosEntry(locked.data),
      winsize: winsize.read(size.data.bytes),
      ...(isSlave(stat.rdev)
        ? { pty: { index: Number((major(stat.rdev) - FIRST_SLAVE) * 256n + minor(stat.rdev)) } }
        : {}),
      dev: Number(stat.dev),
      uid: stat.uid === undefined ? 0 : Number(stat.uid),
      gid: Number(stat.gid),
    };
    task.images.append({ kind: "TTY_INFO" }, { message });
  };
}

function refuse({ fd, link }: HeldFile, what: string, hint?: string): never {
  throw new UnsupportedError(what, { fd, file: link.toString(), hint });
}

export const terminalFile: FileKind = {
  type: FdTypes.TTY,
  name: "terminal",

  recognises({ stat }) {
    return stat.isCharacterDevice() && (isSlave(stat.rdev) || TTY_MAJORS.includes(major(stat.rdev)));
  },

  describe(file, id) {
    const { task, stat, flags, owner, link } = file;
    if (isMaster(stat.rdev)) refuse(file, "the master of a pseudo terminal: not supported yet");
    if (!task.options.shellJob) {
      refuse(file, "a terminal, which stays outside the images", "use --shell-job (-j), or redirect it");
    }
    const path = task.files.once(`terminal ${link.toString("latin1")} ${flags}`, (fresh) => ({
      type: FdTypes.REG,
      id: fresh,
      reg: { id: fresh, flags, pos: 0n, fown: NO_OWNER, name: link, mode: Number(stat.mode), build_id: [] },
    }));
    const tty: TtyFileEntry = { id, tty_info_id: 0, flags, fown: owner, regf_id: path };
    return { type: FdTypes.TTY, id, tty };
  },

  ask(file, batch, entry) {
    const { id, isNew } = infoId(file);
    entry.tty!.tty_info_id = id;
    return isNew ? askInfo(file, batch, id) : undefined;
  },

  check(task) {
    if (!task.options.shellJob) {
      throw new UnsupportedError("it has a terminal, which is not in the images", {
        hint: "use --shell-job (-j): it gets the terminal that the restore is run at",
      });
    }
    terminalOfHost();
  },

  open(task, batch, entry, close) {
    if (!entry.tty) throw new ImageError("a terminal without its part", { file: "files.img" });
    const { type } = infoOf(task, entry);
    const path = type === TtyType.CTTY ? "/dev/tty" : terminalOfHost();
    return batch.call("openat", [AT_FDCWD, batch.text(path), entry.tty.flags | O_NOCTTY | close, 0]);
  },
};

/** Path of the terminal that this program is run at. */
function terminalOfHost(): string {
  const settings = Buffer.alloc(termios.size);
  const fd = [0, 1, 2].find((candidate) => tryCall("ioctl", candidate, TCGETS, settings) === 0n);
  if (fd === undefined) {
    throw new HostMismatchError("the task has a terminal, and this restore is run at none", {
      hint: "run it with a terminal as standard input, output or error",
    });
  }
  return readlinkSync(`/proc/self/fd/${fd}`);
}

function infos(task: RestoreTask): TtyInfoEntry[] {
  const { reader } = task.context;
  return reader.has({ kind: "TTY_INFO" })
    ? reader.read({ kind: "TTY_INFO" }).map(({ message }) => message)
    : [];
}

function infoOf(task: RestoreTask, { tty, id }: FileEntry): TtyInfoEntry {
  const info = infos(task).find((candidate) => candidate.id === tty!.tty_info_id);
  if (!info)
    throw new ImageError(`file ${id} is a terminal that tty-info.img does not have`, { file: "files.img" });
  return info;
}

/** Whether the session of the task had a terminal that is in the images. */
export function hadTerminal(task: RestoreTask): boolean {
  return infos(task).some(({ sid }) => sid !== 0 && sid === task.pstree.sid);
}

/** Settings, and the foreground: through a descriptor of its own, as only a member of the session may do it. */
function takeTerminal(task: RestoreTask, batch: Batch): void {
  const info = infos(task).find(({ sid, termios: settings }) => sid === task.pstree.sid && settings);
  if (!info) return;
  const tty = batch.call("openat", [AT_FDCWD, batch.text(terminalOfHost()), O_NOCTTY, 0]);
  if (info.pgrp === task.pstree.pgid && info.pgrp === task.pid) {
    const group = batch.bytes(new Uint8Array(new Int32Array([info.pgrp]).buffer));
    batch.call("ioctl", [tty, TIOCSPGRP, group], { mayFail: true });
  }
  batch.call("ioctl", [tty, TCSETS, batch.bytes(fromTermiosEntry(info.termios!))], { mayFail: true });
  batch.call("close", [tty]);
}

export const terminal: Kind = {
  name: "terminal",
  after: ["files"],
  restoreTask: { files: takeTerminal },
};
