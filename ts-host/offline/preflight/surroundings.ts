/** What is around processes and has to be there again: mounts, cgroups, what is given to a restore from outside. */
import { Fstype, type MntEntry } from "../../generated/messages.ts";
import { text } from "../../images/json/to-json.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { AUTODETECTED, externalNames } from "../external.ts";
import type { HostFacts, Obstacle } from "./facts.ts";

/** Mounts of namespaces of the processes' own; those of the host are not in the images. */
function ownMounts(checkpoint: Checkpoint): MntEntry[] {
  return checkpoint
    .list()
    .filter(({ kind }) => kind === "MNTS")
    .flatMap(({ id }) => checkpoint.read({ kind: "MNTS", id }).map(({ message }) => message));
}

/** Their ids, which files have. */
export function ownMountIds(checkpoint: Checkpoint): ReadonlySet<number | undefined> {
  return new Set(ownMounts(checkpoint).map(({ mnt_id }) => mnt_id));
}

function isRoot({ mountpoint }: MntEntry): boolean {
  return text(mountpoint) === "/";
}

/** Names that differ from those of the images. */
const KERNEL_NAMES: Record<string, string> = { OVERLAYFS: "overlay" };

/** Type of the file system that has to be mounted anew; undefined for what comes from outside. */
function typeOf(mount: MntEntry): string | undefined {
  if (mount.ext_key !== undefined || isRoot(mount)) return undefined;
  const name = Object.entries(Fstype).find(([, value]) => value === mount.fstype)?.[0];
  if (name === "AUTO" || name === "UNSUPPORTED" || name === undefined)
    return mount.fsname === undefined ? undefined : text(mount.fsname);
  return KERNEL_NAMES[name] ?? name.toLowerCase();
}

/** What is mounted, where that is a path of the host: a device, or the source that CRIU has found out. */
function sourceOf(mount: MntEntry): string | undefined {
  const source = text(mount.source);
  const isPath = source.startsWith("/");
  if (mount.ext_key !== undefined) return isPath && text(mount.ext_key) === AUTODETECTED ? source : undefined;
  return isPath && source.startsWith("/dev/") && !isRoot(mount) ? source : undefined;
}

/** Paths about which the facts have to say something. */
export function mountSources(checkpoint: Checkpoint): string[] {
  return ownMounts(checkpoint).flatMap((mount) => sourceOf(mount) ?? []);
}

export function* mounts(checkpoint: Checkpoint, host: HostFacts): Generator<Obstacle> {
  const about = "mount";
  const all = ownMounts(checkpoint);
  for (const type of new Set(all.flatMap((mount) => typeOf(mount) ?? []))) {
    if (host.filesystems.includes(type)) continue;
    const message = `the kernel knows no file system ${type}`;
    yield { severity: "error", about, message, remedy: `load its module: modprobe ${type}` };
  }
  for (const mount of all) {
    const source = sourceOf(mount);
    if (source === undefined || host.files[source] !== null) continue;
    const message = `${source} is gone, which was mounted at ${text(mount.mountpoint)}`;
    const remedy = "mount or put it there, or say with --external what takes its place";
    yield { severity: "error", about, message, remedy };
  }
  const automatic = all.filter(({ ext_key }) => ext_key !== undefined && text(ext_key) === AUTODETECTED);
  if (automatic.length > 0) {
    const message = `${automatic.length} mounts come from outside, by the paths that the dump has found`;
    const remedy = "restore with CRIU's --ext-mount-map auto, or name them with criu-wasm rewrite --external";
    yield { severity: "warning", about, message, remedy };
  }
}

/** Cgroups of the processes as the facts name them: "cpu,cpuacct:/docker/1", ":/user.slice" for version 2. */
export function cgroupsOf(checkpoint: Checkpoint): string[] {
  if (!checkpoint.has({ kind: "CGROUP" })) return [];
  const used = new Set<number>();
  for (const { threads } of checkpoint.processes.filter(({ hasResources }) => hasResources))
    for (const { core } of threads) used.add(core.thread_core?.cg_set ?? core.tc?.cg_set ?? 0);
  const sets = checkpoint.read({ kind: "CGROUP" }).flatMap(({ message }) => message.sets);
  const members = sets.filter(({ id }) => used.has(id)).flatMap(({ ctls }) => ctls);
  return [...new Set(members.map(({ name, path }) => `${text(name)}:${text(path)}`))];
}

export function* cgroups(checkpoint: Checkpoint, host: HostFacts): Generator<Obstacle> {
  const about = "cgroup";
  const goneFrom = new Map<string, string[]>();
  for (const cgroup of cgroupsOf(checkpoint)) {
    const state = host.cgroups[cgroup];
    const [controllers, path] = [cgroup.slice(0, cgroup.indexOf(":")), cgroup.slice(cgroup.indexOf(":") + 1)];
    const hierarchy = controllers === "" ? "the hierarchy of version 2" : `a hierarchy of ${controllers}`;
    const found = { severity: "warning" as const, about };
    if (state === "no hierarchy") {
      const remedy = "mount it; without it, CRIU restores with --manage-cgroups=ignore only";
      yield { ...found, message: `${hierarchy} is not mounted, processes were in ${path} of it`, remedy };
    } else if (state === "no cgroup") {
      goneFrom.set(path, [...(goneFrom.get(path) ?? []), hierarchy]);
    } else if (state === undefined) {
      yield { ...found, message: `${cgroup}: nothing is known of it`, remedy: "make the facts anew" };
    }
  }
  for (const [path, hierarchies] of goneFrom) {
    const remedy =
      "make it, with its limits, and start the restore in it, or name another with criu-wasm rewrite --cgroup";
    const message = `${path} is gone from ${hierarchies.join(", ")}`;
    yield { severity: "warning", about, message, remedy };
  }
}

export function* externals(checkpoint: Checkpoint): Generator<Obstacle> {
  for (const key of externalNames(checkpoint)) {
    if (key === AUTODETECTED) continue;
    const message = `${key} has to be given to the restore`;
    const remedy = "say with --external what takes its place";
    yield { severity: "warning", about: "external", message, remedy };
  }
}
