/**
 * Other pids for all processes and threads, each moved by the same distance. Pids stand
 *   - in the names of images: core-812.img;
 *   - in the process tree: pid, parent, group, session, threads;
 *   - in open files: owners that get signals (fown), pidfds, paths below /proc;
 *   - in file locks; in sessions and foreground groups of terminals; in mounts of autofs;
 *   - in signals that wait: who has sent them, which child has ended;
 *   - in POSIX timers that signal one thread;
 *   - in memory: the id that the C library keeps of each thread, where the kernel knows its place
 *     (set_tid_address).
 * The port id of a netlink socket is often the pid of who made it, and is as good with any number: it stays. What
 * else a program has in its memory, of locks that it holds for one, is as it was.
 */
import { UnsupportedError } from "../../errors.ts";
import type {
  CoreEntry,
  FileEntry,
  FownEntry,
  ImageKind,
  SignalQueueEntry,
} from "../../generated/messages.ts";
import type { ImageName, ImageRecord } from "../../images/checkpoint.ts";
import { text } from "../../images/json/to-json.ts";
import {
  CLD_CONTINUED,
  CLD_EXITED,
  SI_MESGQ,
  SI_QUEUE,
  SI_TKILL,
  SI_USER,
  SIGCHLD,
  senderSiginfo,
} from "../../kernel/abi/signal.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { PAGE_SIZE } from "../page-index.ts";
import { bytesOf, type Note, on, onFiles, type Transform } from "./transform.ts";

/** The kernel's limit, whatever pid_max is set to. */
const LARGEST_PID = 4 << 20;

/** Images that are named by the pid of their process, or the id of their thread. */
const BY_PID: ImageKind[] = [
  "CORE",
  "IDS",
  "MM",
  "VMAS",
  "SIGACT",
  "ITIMERS",
  "POSIX_TIMERS",
  "CREDS",
  "FS",
  "PAGEMAP",
  "RLIMIT",
  "SIGNAL",
  "PSIGNAL",
];

/** Bytes of page streams: where the C library has a thread's id. */
interface Place {
  offset: number;
  tid: number;
}

export function shiftPids(distance: number): Transform {
  const pids = new Pids(distance);
  const places = new Map<number, Place[]>();
  let perId = true;
  return {
    name: `shift-pids ${distance}`,
    limits:
      "pids that programs keep in their memory, also in locks that they hold, but for the ids of threads that the C library keeps",
    check(checkpoint) {
      perId = checkpoint.inventory.fdinfo_per_id ?? false;
      pids.learn(checkpoint);
      for (const process of checkpoint.processes) findIds(checkpoint, process.pid, places);
    },
    rename<K extends ImageKind>(name: ImageName<K>): ImageName<K> {
      const isPid = BY_PID.includes(name.kind) || (name.kind === "FDINFO" && !perId);
      return isPid && typeof name.id === "number" ? { ...name, id: pids.moved(name.id) } : name;
    },
    image(name, records, note) {
      changeImage(pids, name, records, note);
    },
    pages(id, first, pages) {
      const start = first * PAGE_SIZE;
      const view = new DataView(pages.buffer, pages.byteOffset, pages.length);
      for (const { offset, tid } of places.get(id) ?? []) {
        if (offset >= start && offset + 4 <= start + pages.length)
          view.setUint32(offset - start, tid + distance, true);
      }
    },
  };
}

/** The pids of a checkpoint, and what they become. */
class Pids {
  readonly #distance: number;
  readonly #known = new Set<number>();

  constructor(distance: number) {
    this.#distance = distance;
  }

  /** @throws UnsupportedError where they cannot be moved by that distance */
  learn(checkpoint: Checkpoint): void {
    const outside = new Set<number>();
    for (const { pid, tids, entry } of checkpoint.processes) {
      for (const tid of tids) this.#known.add(tid);
      for (const leader of [entry.pgid, entry.sid]) {
        // The root's session and group, where it does not lead them, are of a shell outside; leaders that are not
        // there else have ended, and their ids live on in the tree.
        if (checkpoint.root.pid === pid && leader !== pid) outside.add(leader);
        else if (!outside.has(leader) && leader !== 0) this.#known.add(leader);
      }
    }
    if (this.#known.has(1)) {
      throw new UnsupportedError("pid 1 is the first of a pid namespace, in which pids are in nobody's way");
    }
    for (const pid of this.#known) {
      const young = pid + this.#distance;
      if (young <= 0 || young > LARGEST_PID)
        throw new UnsupportedError(`${pid} would become ${young}, which is no pid`);
      if (outside.has(young)) {
        throw new UnsupportedError(`${pid} would become ${young}, which is a group or session outside`);
      }
    }
  }

  moved(pid: number): number {
    return this.#known.has(pid) ? pid + this.#distance : pid;
  }

  /** Changes one field of a message; `path` leads to the message. */
  move<T extends object>(
    object: T,
    field: keyof T & string,
    path: string,
    note: (field: string, before: unknown, after: unknown) => void,
  ): void {
    const pid = object[field] as number | undefined;
    if (pid === undefined || this.moved(pid) === pid) return;
    note(`${path}${field}`, pid, this.moved(pid));
    (object as Record<string, unknown>)[field] = this.moved(pid);
  }
}

function changeImage(pids: Pids, name: ImageName, records: ImageRecord[], note: Note): void {
  /** Fields of each record of an image of that kind. */
  const each = <K extends ImageKind>(kind: K, ...fields: string[]): void => {
    on(kind, name, records, (all) => {
      for (const [record, { message }] of all.entries())
        for (const field of fields)
          pids.move(message as object, field as never, "", (...change) => note(record, ...change));
    });
  };
  each("PSTREE", "pid", "ppid", "pgid", "sid");
  each("FILE_LOCKS", "pid");
  each("TTY_INFO", "sid", "pgrp");
  each("AUTOFS", "pgrp");
  each("POSIX_TIMERS", "notify_thread_id");
  on("PSTREE", name, records, (tasks) => {
    for (const [record, { message }] of tasks.entries()) {
      const moved = message.threads.map((tid) => pids.moved(tid));
      note(record, "threads", message.threads.join(" "), moved.join(" "));
      message.threads = moved;
    }
  });
  onFiles(name, records, note, (file, tell) => changeFile(pids, file, tell));
  on("CORE", name, records, (cores) => {
    for (const [record, { message }] of cores.entries())
      changeCore(pids, message, (...change) => note(record, ...change));
  });
  for (const kind of ["SIGNAL", "PSIGNAL"] as const) {
    on(kind, name, records, (queues) => {
      for (const [record, { message }] of queues.entries())
        changeSignals(pids, message, "", (...change) => note(record, ...change));
    });
  }
}

type Tell = (field: string, before: unknown, after: unknown) => void;

function changeFile(pids: Pids, file: FileEntry, tell: Tell): void {
  for (const [field, value] of Object.entries(file)) {
    const fown = (value as { fown?: FownEntry } | undefined)?.fown;
    if (fown) pids.move(fown, "pid", `${field}.fown.`, tell);
  }
  if (file.pidfd) pids.move(file.pidfd, "nspid", "pidfd.", tell);
  if (file.reg === undefined) return;
  const old = text(file.reg.name);
  const [, below, pid, rest] = /^(\/proc\/(?:\d+\/task\/)?)(\d+)(\/.*)?$/s.exec(old) ?? [];
  if (pid === undefined) return;
  const process = /^\/proc\/(\d+)\//.exec(below)?.[1];
  const folder = process === undefined ? below : below.replace(process, `${pids.moved(Number(process))}`);
  const path = `${folder}${pids.moved(Number(pid))}${rest ?? ""}`;
  if (path === old) return;
  tell("reg.name", old, path);
  file.reg.name = bytesOf(path);
}

function changeCore(pids: Pids, { tc, thread_core }: CoreEntry, tell: Tell): void {
  for (const [index, timer] of (tc?.timers?.posix ?? []).entries())
    pids.move(timer, "notify_thread_id", `tc.timers.posix[${index}].`, tell);
  if (tc?.signals_s) changeSignals(pids, tc.signals_s, "tc.signals_s.", tell);
  if (thread_core?.signals_p) changeSignals(pids, thread_core.signals_p, "thread_core.signals_p.", tell);
}

/** Codes of signals that say which process has sent them. */
const SENT = [SI_USER, SI_QUEUE, SI_MESGQ, SI_TKILL];

function changeSignals(pids: Pids, { signals }: SignalQueueEntry, path: string, tell: Tell): void {
  for (const [index, signal] of signals.entries()) {
    if (signal.siginfo.length < senderSiginfo.size) continue;
    const { si_signo, si_code, si_pid } = senderSiginfo.read(signal.siginfo);
    const isOfChild = si_signo === SIGCHLD && si_code >= CLD_EXITED && si_code <= CLD_CONTINUED;
    const young = pids.moved(si_pid);
    if (young === si_pid || !(isOfChild || SENT.includes(si_code))) continue;
    tell(`${path}signals[${index}].siginfo.si_pid`, si_pid, young);
    signal.siginfo = signal.siginfo.slice();
    new DataView(signal.siginfo.buffer).setInt32(senderSiginfo.offsets.si_pid, young, true);
  }
}

/** Where the kernel clears the id of a thread when it ends, whatever machine the thread is of. */
function clearTidAddress(core: CoreEntry): bigint {
  for (const part of Object.values(core) as unknown[]) {
    const address = (part as { clear_tid_addr?: bigint } | undefined)?.clear_tid_addr;
    if (address !== undefined) return address;
  }
  return 0n;
}

/** Finds the ids that the C library keeps, in the page streams. */
function findIds(checkpoint: Checkpoint, pid: number, places: Map<number, Place[]>): void {
  const process = checkpoint.process(pid);
  if (!process.hasResources) return;
  for (const thread of process.threads) {
    const address = clearTidAddress(thread.core);
    const mapping = address === 0n ? undefined : process.mappingAt(address);
    if (mapping === undefined || address % 4n !== 0n) continue;
    for (const { content } of process.memory.piecesOf(mapping, address, address + 4n)) {
      if (content.is !== "stored") continue;
      if (content.generation > 0) {
        throw new UnsupportedError("memory in a parent checkpoint has to be changed", {
          pid,
          hint: "criu-wasm squash makes one checkpoint of the chain",
        });
      }
      const bytes = process.memory.read(address, 4);
      if (new DataView(bytes.buffer).getUint32(0, true) !== thread.tid) continue;
      const offset = content.first * PAGE_SIZE + Number(address % BigInt(PAGE_SIZE));
      places.set(content.pagesId, [...(places.get(content.pagesId) ?? []), { offset, tid: thread.tid }]);
    }
  }
}
