/** What a preflight knows of a machine, and what it says of it. */

export interface FileFacts {
  size: number;
  mode: number;
  /** Hexadecimal; of ELF files that have one. */
  buildId?: string;
}

/** Nothing is mounted that has these controllers; they have no such directory; it is there. */
export type CgroupState = "no hierarchy" | "no cgroup" | "there";

/** A machine. */
export interface HostFacts {
  /** `uname -r`. */
  release: string;
  /** `uname -m`: "x86_64", "aarch64". */
  machine: string;
  pidMax: number;
  /** Ids of all threads, and the names of their processes. */
  tasks: Record<number, string>;
  /** Paths of files that the checkpoint names; null where there is none. */
  files: Record<string, FileFacts | null>;
  /** Addresses that are bound: "tcp 127.0.0.1:80". */
  bound: string[];
  /** Types of file systems that the kernel knows, as /proc/filesystems has them. */
  filesystems: string[];
  /** For cgroups that the checkpoint names, written "cpu,cpuacct:/docker/1": how much of it is there. */
  cgroups: Record<string, CgroupState>;
  /** Features of the CPU, as /proc/cpuinfo has them. */
  cpuFlags: string[];
  /** Effective capabilities of who restores, a bit mask in hexadecimal. */
  capabilities: string;
}

export interface Obstacle {
  /** "error": a restore fails. "warning": it may. */
  severity: "error" | "warning";
  /** What it is about: "pid", "file", "port" … */
  about: string;
  message: string;
  /** What to do about it. */
  remedy: string;
}
