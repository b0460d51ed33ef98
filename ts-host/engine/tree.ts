/** The images that hold a process together: inventory, process tree, cores, kernel object ids, statistics. */
import { readFileSync } from "node:fs";
import {
  type CoreEntry,
  CoreEntryMarch,
  type MmEntry,
  type TaskCoreEntry,
  type TaskKobjIdsEntry,
  type ThreadCoreEntry,
  type ThreadInfoX86,
  type Timespec,
} from "../generated/messages.ts";
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC, timespec } from "../kernel/abi/time.ts";
import { call } from "../native/calls.ts";
import type { DumpReport } from "./dump.ts";
import type { DumpTask, DumpThread } from "./dump-task.ts";

const IMG_VERSION = 2;
const LSM_NONE = 0;
const NETWORK_LOCK_DEFAULT = 0;
/** Of its text. */
const UUID_LENGTH = 36;

/** Namespaces in the order in which they are numbered, from 1: a task shares all of them with the host. */
const NAMESPACE_IDS: Partial<TaskKobjIdsEntry> = {
  pid_ns_id: 1,
  net_ns_id: 2,
  ipc_ns_id: 3,
  uts_ns_id: 4,
  time_ns_id: 5,
  mnt_ns_id: 6,
  user_ns_id: 7,
  cgroup_ns_id: 8,
};

/** Ids of what tasks may share; the dumping process has 1 of each. */
function objectIds(number: number): TaskKobjIdsEntry {
  return { vm_id: number, files_id: number, fs_id: number, sighand_id: number, ...NAMESPACE_IDS };
}

/** The id under which fdinfo of the task is kept. */
export const FILES_ID = 2;

function coreOf(thread: DumpThread): CoreEntry {
  return {
    mtype: CoreEntryMarch.X86_64,
    thread_info: thread.info as ThreadInfoX86,
    thread_core: thread.core as ThreadCoreEntry,
    ...(thread.isLeader ? { tc: thread.task.core as TaskCoreEntry } : {}),
  };
}

function clock(id: number): Timespec {
  const time = Buffer.alloc(timespec.size);
  call("clock_gettime", id, time);
  return timespec.read(time);
}

/** Queues all of them for the writer. */
export function writeCommonImages(task: DumpTask, report: DumpReport): void {
  const { images, pid, pgid, sid } = task;
  images.append(
    { kind: "PSTREE" },
    { message: { pid, ppid: 0, pgid, sid, threads: task.threads.map(({ tid }) => tid) } },
  );
  for (const thread of task.threads)
    images.append({ kind: "CORE", id: thread.tid }, { message: coreOf(thread) });
  images.append({ kind: "IDS", id: pid }, { message: objectIds(FILES_ID) });
  images.append({ kind: "MM", id: pid }, { message: task.mm as MmEntry });
  images.append(
    { kind: "INVENTORY" },
    {
      message: {
        img_version: IMG_VERSION,
        fdinfo_per_id: true,
        root_ids: objectIds(1),
        ns_per_id: true,
        root_cg_set: 1,
        lsmtype: LSM_NONE,
        network_lock_method: NETWORK_LOCK_DEFAULT,
        plugins_entry: { plugins: [] },
        dump_criu_run_id: readFileSync("/proc/sys/kernel/random/uuid").subarray(0, UUID_LENGTH),
      },
    },
  );
  // What the clocks said, for a restore in a time namespace.
  const clocks = { monotonic: clock(CLOCK_MONOTONIC), boottime: clock(CLOCK_BOOTTIME) };
  images.append({ kind: "TIMENS", id: 0 }, { message: clocks });
  images.append(
    { kind: "STATS", id: "dump" },
    {
      message: {
        dump: {
          freezing_time: report.freezingTime,
          frozen_time: report.frozenTime,
          memdump_time: report.memoryTime,
          memwrite_time: 0,
          pages_scanned: BigInt(report.pagesScanned),
          pages_skipped_parent: 0n,
          pages_written: BigInt(report.pagesWritten),
          irmap_resolve: 0,
          pages_lazy: 0n,
          page_pipes: 0n,
          page_pipe_bufs: 0n,
          shpages_scanned: BigInt(report.sharedPagesScanned),
          shpages_skipped_parent: 0n,
          shpages_written: BigInt(report.sharedPagesWritten),
        },
      },
    },
  );
}
