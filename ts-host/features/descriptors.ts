/** Features of descriptors, namespaces and file systems. */
import { accessSync, constants, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { LOCK_EX, O_CLOEXEC, O_CREAT, O_RDONLY, O_RDWR } from "../kernel/abi/fcntl.ts";
import { KCMP_EPOLL_TFD, kcmpEpollSlot } from "../kernel/abi/kcmp.ts";
import { MAP_SHARED, PAGE_SIZE, PROT_READ } from "../kernel/abi/mman.ts";
import { MOVE_MOUNT_SET_GROUP, MS_PRIVATE, MS_REC } from "../kernel/abi/mount.ts";
import { CLONE_NEWNS } from "../kernel/abi/sched.ts";
import { CLOCK_MONOTONIC } from "../kernel/abi/time.ts";
import { ERRNO } from "../kernel/errno.ts";
import { ProcPid } from "../kernel/process.ts";
import { call } from "../native/calls.ts";
import { Batch } from "../remote/batch.ts";
import {
  cString,
  errnoOf,
  type Feature,
  fdinfo,
  withDescriptor,
  withTemporaryPath,
  works,
} from "./feature.ts";
import { runInSeed, withSeed } from "./seed.ts";

const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;

function hasFileSystem(name: string): boolean {
  return readFileSync("/proc/filesystems", "utf8").split(/\s/).includes(name);
}

function isInPath(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
}

function comparesEpollTargets(): boolean {
  return withDescriptor(
    (epoll) =>
      withDescriptor(
        (event) => {
          const registration = Buffer.alloc(12);
          registration.writeUInt32LE(EPOLLIN);
          call("epoll_ctl", epoll, EPOLL_CTL_ADD, event, registration);
          const slot = kcmpEpollSlot.pack({ efd: epoll, tfd: event, toff: 0 });
          return call("kcmp", process.pid, process.pid, KCMP_EPOLL_TFD, event, slot) === 0n;
        },
        "eventfd2",
        0,
        O_CLOEXEC,
      ),
    "epoll_create1",
    O_CLOEXEC,
  );
}

/** Whether a file that is mapped from an overlay has the device and inode number that stat gives it. */
function overlayMapsAreTrue(): boolean {
  return withTemporaryPath((path) => {
    const place = dirname(path);
    return withSeed((seed) => {
      const batch = new Batch();
      const [tmpfs, overlay] = [batch.text("tmpfs"), batch.text("overlay")];
      const [at, merged, file] = [place, `${place}/merged`, `${place}/merged/file`].map((each) =>
        batch.text(each),
      ) as [ReturnType<Batch["text"]>, ReturnType<Batch["text"]>, ReturnType<Batch["text"]>];
      batch.call("unshare", [CLONE_NEWNS]);
      batch.call("mount", [0, batch.text("/"), 0, MS_REC | MS_PRIVATE, 0]);
      batch.call("mount", [tmpfs, at, tmpfs, 0, 0]);
      for (const folder of ["lower", "upper", "work", "merged"])
        batch.call("mkdir", [batch.text(`${place}/${folder}`), 0o700]);
      const layers = `lowerdir=${place}/lower,upperdir=${place}/upper,workdir=${place}/work`;
      batch.call("mount", [overlay, merged, overlay, 0, batch.text(layers)]);
      const fd = batch.call("open", [file, O_RDWR | O_CREAT, 0o600]);
      batch.call("ftruncate", [fd, PAGE_SIZE]);
      batch.call("mmap", [0, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0]);
      runInSeed(seed, batch);
      const { tid } = seed;
      const mapped = new ProcPid(tid).maps().find((map) => map.path.toString().endsWith("/file"));
      const { ino } = statSync(`/proc/${tid}/root${place}/merged/file`, { bigint: true });
      return mapped !== undefined && BigInt(mapped.inode) === ino;
    });
  });
}

export const DESCRIPTOR_FEATURES: Feature[] = [
  {
    name: "mnt_id",
    use: "open files in mount namespaces",
    isThere: () => withDescriptor((fd) => /^mnt_id:/m.test(fdinfo(fd)), "open", cString("/"), O_RDONLY, 0),
  },
  {
    name: "timerfd",
    use: "timerfds",
    isThere: () =>
      withDescriptor((fd) => /^clockid:/m.test(fdinfo(fd)), "timerfd_create", CLOCK_MONOTONIC, O_CLOEXEC),
  },
  {
    name: "fdinfo_lock",
    use: "file locks",
    isThere: () =>
      withTemporaryPath((path) =>
        withDescriptor(
          (fd) => works("flock", fd, LOCK_EX) && /^lock:/m.test(fdinfo(fd)),
          "open",
          cString(path),
          O_RDWR | O_CREAT | O_CLOEXEC,
          0o600,
        ),
      ),
  },
  { name: "kcmp_epoll", use: "epoll instances that watch closed descriptors", isThere: comparesEpollTargets },
  {
    name: "openat2",
    use: "opening files under a directory that nothing leads out of",
    isThere: () => errnoOf("openat2", -1, cString(""), new Uint8Array(0), 0) !== ERRNO.ENOSYS,
  },
  {
    name: "cgroupns",
    use: "cgroup namespaces",
    isThere: () => existsSync("/proc/self/ns/cgroup"),
  },
  {
    name: "timens",
    use: "time namespaces",
    isThere: () => existsSync("/proc/self/ns/time_for_children"),
  },
  {
    name: "ns_pid",
    use: "pid namespaces",
    isThere: () => /^NSpid:/m.test(readFileSync("/proc/self/status", "utf8")),
  },
  {
    name: "move_mount_set_group",
    use: "propagation between mounts",
    isThere: () =>
      // The answer about mounts that are not there, where the flag is known.
      errnoOf("move_mount", -1, cString("/none"), -1, cString("/none"), MOVE_MOUNT_SET_GROUP) ===
      ERRNO.ENOENT,
  },
  { name: "overlayfs_maps", use: "files mapped from an overlay", isThere: overlayMapsAreTrue },
  { name: "autofs", use: "automounts", isThere: () => hasFileSystem("autofs") },
  {
    name: "loginuid",
    use: "the login user of audit",
    isThere: () => {
      writeFileSync("/proc/self/loginuid", readFileSync("/proc/self/loginuid"));
      return true;
    },
  },
  {
    name: "apparmor_stacking",
    use: "AppArmor profiles inside of containers",
    isThere: () => existsSync("/sys/kernel/security/apparmor/features/domain/stack"),
  },
  {
    name: "map_files",
    use: "mapped files that were deleted",
    isThere: () => {
      accessSync("/proc/self/map_files", constants.R_OK);
      return true;
    },
  },
  {
    name: "has_ipt_legacy",
    use: "rules of iptables in network namespaces",
    isThere: () => isInPath("iptables-legacy") || isInPath("iptables-legacy-save"),
  },
];
