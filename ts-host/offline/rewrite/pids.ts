/**
 * Other pids for all processes and threads, each moved by the same distance. Beside the images, the id that the C
 * library keeps of each thread is changed, where the kernel knows its place (set_tid_address). Other copies that a
 * program may have in its memory, of locks that it holds for one, are as they were.
 */
import { UnsupportedError } from "../../errors.ts";
import type { FownEntry, ImageKind, TaskCoreEntry } from "../../generated/messages.ts";
import type { ImageName } from "../../images/checkpoint.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { PAGE_SIZE } from "../page-index.ts";
import { type Note, on, type Transform } from "./transform.ts";

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
  const known = new Set<number>();
  const places = new Map<number, Place[]>();
  let perId = true;
  const moved = (pid: number): number => (known.has(pid) ? pid + distance : pid);
  const move = <T extends object>(
    object: T,
    field: keyof T & string,
    record: number,
    note: Note,
    path = "",
  ): void => {
    const pid = object[field] as number | undefined;
    if (pid === undefined || moved(pid) === pid) return;
    note(record, `${path}${field}`, pid, moved(pid));
    (object as Record<string, unknown>)[field] = moved(pid);
  };
  return {
    name: `shift-pids ${distance}`,
    check(checkpoint) {
      perId = checkpoint.inventory.fdinfo_per_id ?? false;
      for (const process of checkpoint.processes) for (const tid of process.tids) known.add(tid);
      for (const pid of known) {
        if (pid + distance > 0 && pid + distance <= LARGEST_PID) continue;
        throw new UnsupportedError(`${pid} would become ${pid + distance}, which is no pid`);
      }
      for (const process of checkpoint.processes) findIds(checkpoint, process.pid, places);
    },
    rename<K extends ImageKind>(name: ImageName<K>): ImageName<K> {
      const isPid = BY_PID.includes(name.kind) || (name.kind === "FDINFO" && !perId);
      return isPid && typeof name.id === "number" ? { ...name, id: moved(name.id) } : name;
    },
    image(name, records, note) {
      on("PSTREE", name, records, (tasks) => {
        for (const [record, { message }] of tasks.entries()) {
          for (const field of ["pid", "ppid", "pgid", "sid"] as const) move(message, field, record, note);
          note(record, "threads", message.threads.join(" "), message.threads.map(moved).join(" "));
          message.threads = message.threads.map(moved);
        }
      });
      on("FILES", name, records, (files) => {
        for (const [record, { message }] of files.entries()) {
          for (const [field, value] of Object.entries(message)) {
            const fown = (value as { fown?: FownEntry } | undefined)?.fown;
            if (fown) move(fown, "pid", record, note, `${field}.fown.`);
          }
          if (message.pidfd) move(message.pidfd, "nspid", record, note, "pidfd.");
        }
      });
      on("FILE_LOCKS", name, records, (locks) => {
        for (const [record, { message }] of locks.entries()) move(message, "pid", record, note);
      });
      on("TTY_INFO", name, records, (terminals) => {
        for (const [record, { message }] of terminals.entries()) {
          move(message, "sid", record, note);
          move(message, "pgrp", record, note);
        }
      });
      on("CORE", name, records, ([first]) => {
        const timers = (first?.message.tc as TaskCoreEntry | undefined)?.timers?.posix ?? [];
        for (const timer of timers) move(timer, "notify_thread_id", 0, note, "tc.timers.posix.");
      });
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

/** Finds the ids that the C library keeps, in the page streams. */
function findIds(checkpoint: Checkpoint, pid: number, places: Map<number, Place[]>): void {
  const process = checkpoint.process(pid);
  if (!process.hasResources) return;
  for (const thread of process.threads) {
    const address = thread.core.thread_info?.clear_tid_addr ?? thread.core.ti_aarch64?.clear_tid_addr ?? 0n;
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
