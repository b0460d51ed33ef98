/** The process tree: every process and thread has its images, and every image a process or thread. */
import type { CoreEntry, PstreeEntry, TaskKobjIdsEntry } from "../../generated/messages.ts";
import type { ImageName } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { type Finding, strange, wrong } from "./finding.ts";
import type { Images } from "./images.ts";

const FILE = "pstree.img";
/** `task_state` of a task that has ended and waits for its parent. */
const DEAD_STATES = [2, 6];
const KNOWN_STATES = [1, 2, 3, 6];
const NAME_SIZE = 16;

/** For each namespace of a task: images that describe it, by its id, if it is not the one that dumped. */
const NAMESPACES: [keyof TaskKobjIdsEntry, ImageName["kind"]][] = [
  ["uts_ns_id", "UTSNS"],
  ["ipc_ns_id", "IPC_VAR"],
  ["net_ns_id", "NETNS"],
  ["mnt_ns_id", "MNTS"],
  ["user_ns_id", "USERNS"],
];

export function* checkTree(images: Images): Generator<Finding> {
  const tasks = images.messages({ kind: "PSTREE" });
  if (tasks.length === 0 && !images.damaged.has(FILE)) yield wrong({ file: FILE }, "no process");
  const seen = new Map<number, string>();
  const pids = new Set<number>();
  for (const [record, task] of tasks.entries()) {
    const place = { file: FILE, record };
    if (task.pid <= 0 || task.pid > 0x7fffffff)
      yield wrong({ ...place, field: "pid" }, `${task.pid} is no pid`);
    if (record === 0 ? task.ppid !== 0 : !pids.has(task.ppid)) {
      const message =
        record === 0 ? "the first process has a parent" : `no process ${task.ppid} comes before it`;
      yield wrong({ ...place, field: "ppid" }, message);
    }
    const dead = yield* checkTask(images, task, record);
    for (const tid of dead ? [task.pid] : task.threads) {
      const other = seen.get(tid);
      if (other !== undefined) yield wrong({ ...place, field: "threads" }, `${tid} is also ${other}`);
      seen.set(tid, `a thread of ${task.pid}`);
    }
    pids.add(task.pid);
  }
  yield* checkOrphans(images, new Set(seen.keys()), pids);
}

/** Checks the images of one process; answers whether it is dead. */
function* checkTask(images: Images, task: PstreeEntry, record: number): Generator<Finding, boolean> {
  const { pid } = task;
  const core = yield* checkCore(images, pid, true);
  const state = core?.tc?.task_state;
  if (state === undefined) return false;
  if (!KNOWN_STATES.includes(state)) {
    yield wrong(
      { file: `core-${pid}.img`, record: 0, field: "tc.task_state" },
      `${state} is no state of a task`,
    );
  }
  if (DEAD_STATES.includes(state)) return true;
  if (!task.threads.includes(pid)) {
    yield wrong({ file: FILE, record, field: "threads" }, `its leading thread ${pid} is not among them`);
  }
  for (const tid of task.threads) if (tid !== pid) yield* checkCore(images, tid, false);
  for (const kind of ["MM", "FS", "PAGEMAP"] as const) yield* checkPresence(images, { kind, id: pid }, pid);
  yield* checkIds(images, pid, core!);
  yield* checkSeccomp(images, pid, core!);
  return false;
}

function* checkPresence(images: Images, name: ImageName, pid: number): Generator<Finding> {
  if (!images.checkpoint.has(name))
    yield wrong({ file: imageFileName(name) }, `missing, process ${pid} needs it`);
}

function* checkCore(images: Images, tid: number, leads: boolean): Generator<Finding, CoreEntry | undefined> {
  const name = { kind: "CORE", id: tid } as const;
  const file = imageFileName(name);
  yield* checkPresence(images, name, tid);
  const records = images.read(name);
  if (records.length === 0) {
    if (images.checkpoint.has(name) && !images.damaged.has(file)) yield wrong({ file }, "no record");
    return undefined;
  }
  if (records.length > 1) yield wrong({ file, record: 1 }, "more than one record");
  const core = records[0].message;
  if (leads && core.tc === undefined)
    yield wrong({ file, record: 0, field: "tc" }, "missing in the leading thread");
  const dead = DEAD_STATES.includes(core.tc?.task_state ?? 0);
  if (!dead && core.thread_core === undefined)
    yield wrong({ file, record: 0, field: "thread_core" }, "missing");
  const registers = [
    core.thread_info,
    core.ti_aarch64,
    core.ti_arm,
    core.ti_ppc64,
    core.ti_s390,
    core.ti_mips,
  ];
  const machines = [...registers, core.ti_loongarch64, core.ti_riscv64].filter((info) => info !== undefined);
  if (!dead && machines.length !== 1)
    yield wrong({ file, record: 0 }, `registers of ${machines.length} machines`);
  yield* checkCgroup(images, core, file);
  const comm = core.tc?.comm ?? core.thread_core?.comm;
  if (comm !== undefined && comm.length >= NAME_SIZE) {
    yield wrong(
      { file, record: 0, field: "comm" },
      `a name of ${comm.length} bytes, the kernel has at most 15`,
    );
  }
  return core;
}

/** A task is in a set of cgroups, which the one image of all describes. */
function* checkCgroup(images: Images, core: CoreEntry, file: string): Generator<Finding> {
  const sets = images.first({ kind: "CGROUP" })?.sets;
  const set = core.thread_core?.cg_set ?? core.tc?.cg_set;
  if (sets === undefined || set === undefined || sets.some(({ id }) => id === set)) return;
  const field = core.thread_core?.cg_set === undefined ? "tc.cg_set" : "thread_core.cg_set";
  yield wrong({ file, record: 0, field }, `cgroup.img has no set ${set}`);
}

/** CRIU writes nothing of a network namespace that it is told to take for empty, as container engines do. */
function isEmptyNetwork({ checkpoint }: Images, kind: ImageName["kind"], id: number): boolean {
  return kind === "NETNS" && !checkpoint.has({ kind: "NETDEV", id });
}

function* checkIds(images: Images, pid: number, core: CoreEntry): Generator<Finding> {
  const name = { kind: "IDS", id: pid } as const;
  const file = imageFileName(name);
  const ids = images.first(name) ?? core.ids;
  const inventory = images.first({ kind: "INVENTORY" });
  if (ids === undefined) {
    if (!images.damaged.has(file)) yield wrong({ file }, `missing, process ${pid} needs it`);
    return;
  }
  const place = { file, record: 0 };
  const descriptors = { kind: "FDINFO", id: inventory?.fdinfo_per_id ? ids.files_id : pid } as const;
  if (!images.checkpoint.has(descriptors)) {
    yield wrong({ ...place, field: "files_id" }, `${imageFileName(descriptors)} is missing`);
  }
  for (const [field, kind] of NAMESPACES) {
    const id = ids[field] as number | undefined;
    const outside = inventory?.root_ids?.[field];
    if (id === undefined || outside === undefined || id === outside) continue;
    if (!images.checkpoint.has({ kind, id }) && !isEmptyNetwork(images, kind, id)) {
      yield wrong(
        { ...place, field },
        `${imageFileName({ kind, id })} is missing: the namespace is not the host's`,
      );
    }
  }
}

/** A filter is named by its number in the one image of all. */
function* checkSeccomp(images: Images, pid: number, core: CoreEntry): Generator<Finding> {
  const filters = images.first({ kind: "SECCOMP" })?.seccomp_filters.length ?? 0;
  const filter = core.thread_core?.seccomp_filter;
  if (filter === undefined || filter < filters) return;
  const place = { file: `core-${pid}.img`, record: 0, field: "thread_core.seccomp_filter" };
  yield wrong(place, `there is no filter ${filter}, seccomp.img has ${filters}`);
}

/** Images of processes and threads that the tree does not have. */
function* checkOrphans(images: Images, tids: Set<number>, pids: Set<number>): Generator<Finding> {
  if (images.damaged.has(FILE)) return;
  for (const { kind, id } of images.checkpoint.list()) {
    const known =
      kind === "CORE" ? tids : kind === "MM" || kind === "PAGEMAP" || kind === "FS" ? pids : undefined;
    if (known === undefined || known.has(id as number)) continue;
    yield strange(
      { file: imageFileName({ kind, id }) },
      `the tree has no ${kind === "CORE" ? "thread" : "process"} ${id}`,
    );
  }
}
