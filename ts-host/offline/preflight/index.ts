/**
 * What a restore would meet on a machine, before it is tried. The machine is given as facts, so that one can ask
 * about a machine from another.
 */
import { FdTypes, type RegFileEntry, RemapType } from "../../generated/messages.ts";
import { hex } from "../../images/binary.ts";
import { text } from "../../images/json/to-json.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from "../../kernel/abi/capability.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { endpoint } from "../describe-file.ts";
import type { Progress } from "../progress.ts";
import type { FileFacts, HostFacts, Obstacle } from "./facts.ts";
import { cgroups, externals, mountSources, mounts, ownMountIds } from "./surroundings.ts";

export type { CgroupState, FileFacts, HostFacts, Obstacle } from "./facts.ts";
export { cgroupsOf } from "./surroundings.ts";

const TCP_LISTENING = 10;
const TCP = 6;
const UDP = 17;
const WRITTEN = 3;

/** Files without a name come from the checkpoint. */
function ghostIds(checkpoint: Checkpoint): Set<number> {
  const remaps = checkpoint.has({ kind: "REMAP_FPATH" }) ? checkpoint.read({ kind: "REMAP_FPATH" }) : [];
  const ghosts = remaps.filter(({ message }) => message.remap_type === RemapType.GHOST);
  return new Set(ghosts.map(({ message }) => message.orig_id));
}

/** Files that have to be there, by their paths: those of the host, and in mounts of the processes' own. */
function neededFiles(checkpoint: Checkpoint): Record<"onHost" | "inOwnMounts", Map<string, RegFileEntry>> {
  const [ghosts, own] = [ghostIds(checkpoint), ownMountIds(checkpoint)];
  const needed = { onHost: new Map<string, RegFileEntry>(), inOwnMounts: new Map<string, RegFileEntry>() };
  for (const { id, type, reg } of checkpoint.files.values()) {
    if (type !== FdTypes.REG || !reg || reg.ext || ghosts.has(id)) continue;
    needed[own.has(reg.mnt_id) ? "inOwnMounts" : "onHost"].set(text(reg.name), reg);
  }
  return needed;
}

/** Paths of sockets, which must not be there: they are made anew. */
function socketPaths(checkpoint: Checkpoint): string[] {
  const own = ownMountIds(checkpoint);
  return [...checkpoint.files.values()].flatMap(({ usk }) => {
    if (!usk || usk.name.length === 0 || usk.name[0] === 0 || usk.deleted || own.has(usk.mnt_id)) return [];
    const name = text(usk.name).replace(/\0+$/, "");
    return [name.startsWith("/") || usk.name_dir === undefined ? name : `${text(usk.name_dir)}/${name}`];
  });
}

/** Paths about which the facts have to say something. */
export function pathsOf(checkpoint: Checkpoint): string[] {
  return [
    ...new Set([
      ...neededFiles(checkpoint).onHost.keys(),
      ...socketPaths(checkpoint),
      ...mountSources(checkpoint),
    ]),
  ];
}

/** Everything that stands in the way, or may; between that, how far it is, in processes. */
export function* preflight(checkpoint: Checkpoint, host: HostFacts): Generator<Obstacle | Progress, void> {
  yield* pids(checkpoint, host);
  yield* files(checkpoint, host);
  yield* sockets(checkpoint, host);
  yield* processor(checkpoint, host);
  yield* privileges(host);
  yield* kernel(checkpoint, host);
  yield* mounts(checkpoint, host);
  yield* cgroups(checkpoint, host);
  yield* externals(checkpoint);
}

function* pids(checkpoint: Checkpoint, { tasks, pidMax }: HostFacts): Generator<Obstacle> {
  const about = "pid";
  // In a pid namespace of their own they are in nobody's way.
  const outside = checkpoint.inventory.root_ids?.pid_ns_id;
  if (outside !== undefined && (checkpoint.root.ids?.pid_ns_id ?? outside) !== outside) return;
  for (const tid of checkpoint.processes.flatMap((process) => process.tids)) {
    if (tid > pidMax) {
      const remedy = `raise kernel.pid_max above ${tid}, or move the pids with criu-wasm rewrite --shift-pids`;
      yield { severity: "error", about, message: `${tid} is above the largest pid of ${pidMax}`, remedy };
    } else if (tasks[tid] !== undefined) {
      const remedy =
        "wait until it ends, restore in a pid namespace, or move the pids with criu-wasm rewrite --shift-pids";
      yield { severity: "error", about, message: `${tid} is taken by ${tasks[tid]}`, remedy };
    }
  }
}

function* files(checkpoint: Checkpoint, host: HostFacts): Generator<Obstacle> {
  const about = "file";
  const { onHost, inOwnMounts } = neededFiles(checkpoint);
  for (const [path, reg] of onHost) {
    const found = host.files[path];
    if (found === undefined) {
      yield {
        severity: "warning",
        about,
        message: `${path}: nothing is known of it`,
        remedy: "make the facts anew",
      };
    } else if (found === null) {
      const remedy = "put it there, or name another with criu-wasm rewrite --path";
      yield { severity: "error", about, message: `${path} is gone`, remedy };
    } else {
      yield* differences(path, reg, found);
    }
  }
  const [first] = inOwnMounts.keys();
  if (first !== undefined) {
    const message = `${inOwnMounts.size} in mounts of the processes' own are not looked at, ${first} among them`;
    const remedy = "see that what the restore gets as its root has them, as they were";
    yield { severity: "warning", about, message, remedy };
  }
  for (const path of socketPaths(checkpoint)) {
    if (!host.files[path]) continue;
    yield {
      severity: "error",
      about,
      message: `${path} is there, where a socket is to be made`,
      remedy: "remove it",
    };
  }
}

function* differences(path: string, reg: RegFileEntry, found: FileFacts): Generator<Obstacle> {
  const about = "file";
  const remedy = "put the file of the time of the dump there";
  const buildId = hex(new Uint8Array(new Uint32Array(reg.build_id).buffer));
  if (reg.mode !== undefined && reg.mode !== found.mode) {
    const message = `${path} has mode 0${found.mode.toString(8)}, it had 0${reg.mode.toString(8)}`;
    yield { severity: "error", about, message, remedy: "restore its type and permissions" };
  }
  if (reg.size !== undefined && reg.size !== BigInt(found.size)) {
    const isLog = (reg.flags & WRITTEN) !== 0;
    const message = `${path} has ${found.size} bytes, it had ${reg.size}`;
    yield {
      severity: "error",
      about,
      message,
      remedy: isLog ? "cut it, or put back what was there" : remedy,
    };
  } else if (buildId !== "" && found.buildId !== undefined && found.buildId !== buildId) {
    yield {
      severity: "error",
      about,
      message: `${path} is another build: ${found.buildId}, it was ${buildId}`,
      remedy,
    };
  }
}

const PROTOCOLS: Record<number, string> = { [TCP]: "tcp", [UDP]: "udp" };

function* sockets(checkpoint: Checkpoint, { bound }: HostFacts): Generator<Obstacle> {
  const outside = checkpoint.inventory.root_ids?.net_ns_id;
  for (const { isk } of checkpoint.files.values()) {
    const protocol = isk && PROTOCOLS[isk.proto];
    if (!isk || protocol === undefined || isk.src_port === 0) continue;
    // In a network namespace of the processes' own all ports are free.
    if (outside !== undefined && (isk.ns_id ?? outside) !== outside) continue;
    if (isk.proto === TCP && isk.state !== TCP_LISTENING && isk.dst_port !== 0) continue;
    const address = endpoint(isk.family, isk.src_addr, isk.src_port);
    const all = ["0.0.0.0", "[::]"].map((any) => `${protocol} ${any}:${isk.src_port}`);
    const wanted = all.includes(`${protocol} ${address}`)
      ? bound.find((each) => each.startsWith(`${protocol} `) && each.endsWith(`:${isk.src_port}`))
      : bound.find((each) => each === `${protocol} ${address}` || all.includes(each));
    if (wanted === undefined) continue;
    const remedy = "end who uses it, or take another with criu-wasm rewrite --port";
    yield { severity: "error", about: "port", message: `${protocol} ${address} is in use`, remedy };
  }
}

/** Features of the CPU without which the registers of an image cannot be loaded. */
function* processor(
  checkpoint: Checkpoint,
  { machine, cpuFlags }: HostFacts,
): Generator<Obstacle | Progress> {
  const about = "CPU";
  const missing = new Set<string>();
  const processes = checkpoint.processes.filter(({ hasResources }) => hasResources);
  for (const [done, process] of processes.entries()) {
    yield { done, total: processes.length };
    for (const { core } of process.threads) {
      const wanted = core.thread_info ? "x86_64" : core.ti_aarch64 ? "aarch64" : undefined;
      if (wanted !== undefined && wanted !== machine) missing.add(`a ${wanted} processor, not ${machine}`);
      const xsave = core.thread_info?.fpregs.xsave;
      if (!xsave || wanted !== machine) continue;
      const used = (bit: number) => (xsave.xstate_bv & (1n << BigInt(bit))) !== 0n;
      if (used(2) && !cpuFlags.includes("avx")) missing.add("AVX (avx)");
      if ((used(5) || used(6) || used(7)) && !cpuFlags.includes("avx512f")) missing.add("AVX-512 (avx512f)");
      if (used(9) && !cpuFlags.includes("ospke")) missing.add("protection keys (ospke)");
    }
  }
  for (const feature of missing) {
    const remedy =
      "restore on a machine that has it: the program has decided what to use by what its CPU had";
    yield { severity: "error", about, message: `needs ${feature}`, remedy };
  }
}

function* privileges({ capabilities }: HostFacts): Generator<Obstacle> {
  const mask = BigInt(`0x${capabilities}`);
  const has = (capability: number) => (mask & (1n << BigInt(capability))) !== 0n;
  if (has(CAP_SYS_ADMIN) || has(CAP_CHECKPOINT_RESTORE)) return;
  const remedy = "run as root, or with CAP_CHECKPOINT_RESTORE";
  yield { severity: "error", about: "privileges", message: "no right to choose pids", remedy };
}

/** clone3 with set_tid came with 5.5, time namespaces with 5.6. */
function* kernel(checkpoint: Checkpoint, { release }: HostFacts): Generator<Obstacle> {
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const isOlder = (wantedMajor: number, wantedMinor: number) =>
    major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
  const remedy = "take a newer kernel";
  if (isOlder(5, 5))
    yield {
      severity: "error",
      about: "kernel",
      message: `${release} cannot give a process its pid (5.5)`,
      remedy,
    };
  const outside = checkpoint.inventory.root_ids?.time_ns_id;
  const hasTime = checkpoint.processes.some(
    ({ ids }) => ids?.time_ns_id !== undefined && ids.time_ns_id !== outside,
  );
  if (hasTime && isOlder(5, 6))
    yield { severity: "error", about: "kernel", message: `${release} has no time namespaces (5.6)`, remedy };
}
