/** The facts of this machine that a preflight asks for, from /proc and the file system. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { machine, release } from "node:os";
import { UnsupportedError } from "../errors.ts";
import { hex } from "../images/binary.ts";
import { address } from "../images/json/to-json.ts";
import { elfHeader, PT_NOTE, programHeader } from "../kernel/abi/elf.ts";
import { ProcPid } from "../kernel/process.ts";
import type { CgroupState, FileFacts, HostFacts } from "../offline/preflight/index.ts";
import type { Progress } from "../offline/progress.ts";

/** How much of a program is looked at for its build id, which stands near its beginning. */
const HEAD = 64 << 10;
const NT_GNU_BUILD_ID = 3;
const LISTENING = "0A";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function tasks(): Record<number, string> {
  const found: Record<number, string> = {};
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const name = read(`/proc/${pid}/comm`).trim();
    try {
      for (const tid of readdirSync(`/proc/${pid}/task`)) found[Number(tid)] = name;
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** The note with the build id in the first bytes of an ELF file. */
function buildIdIn(head: Buffer): string | undefined {
  if (head.length < elfHeader.size || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const { e_phoff, e_phnum } = elfHeader.read(head);
  for (let index = 0; index < e_phnum; index++) {
    const at = Number(e_phoff) + index * programHeader.size;
    if (at + programHeader.size > head.length) return undefined;
    const { p_type, p_offset, p_filesz } = programHeader.read(head, at);
    if (p_type !== PT_NOTE) continue;
    const notes = head.subarray(Number(p_offset), Number(p_offset + p_filesz));
    for (let note = 0; note + 12 <= notes.length; ) {
      const [nameSize, size, type] = [0, 4, 8].map((offset) => notes.readUInt32LE(note + offset));
      const start = note + 12 + ((nameSize + 3) & ~3);
      const isGnu = notes.subarray(note + 12, note + 15).toString() === "GNU";
      if (isGnu && type === NT_GNU_BUILD_ID) return hex(notes.subarray(start, start + size));
      note = start + ((size + 3) & ~3);
    }
  }
  return undefined;
}

function headOf(path: string): Buffer {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(HEAD);
    return head.subarray(0, readSync(fd, head, 0, HEAD, 0));
  } finally {
    closeSync(fd);
  }
}

function fileFacts(path: string): FileFacts | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  const facts: FileFacts = { size: stat.size, mode: stat.mode };
  const buildId = stat.isFile() && stat.mode & 0o444 ? buildIdIn(headOf(path)) : undefined;
  return buildId === undefined ? facts : { ...facts, buildId };
}

/** Lines of /proc/net/tcp and the like: the local address is words in the order of this machine's memory. */
function boundIn(protocol: string, file: string): string[] {
  return read(file)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns.length > 3 && (protocol === "udp" || columns[3] === LISTENING))
    .map((columns) => {
      const [digits, port] = columns[1].split(":");
      const words = digits.match(/.{8}/g)!.map((word) => Number.parseInt(word, 16));
      const host = words.length === 4 ? `[${address(words)}]` : address(words);
      return `${protocol} ${host}:${Number.parseInt(port, 16)}`;
    });
}

/** Where hierarchies of cgroups are mounted: their controllers, "name=systemd" and the like; "" is version 2. */
function hierarchies(): { controllers: string[]; path: string }[] {
  return new ProcPid(process.pid).mountinfo().flatMap(({ fsType, superOptions, mountPoint }) => {
    const path = mountPoint.toString();
    if (fsType.equals(Buffer.from("cgroup2"))) return { controllers: [""], path };
    return fsType.equals(Buffer.from("cgroup"))
      ? { controllers: superOptions.toString("latin1").split(","), path }
      : [];
  });
}

function cgroupState(cgroup: string): CgroupState {
  const at = cgroup.indexOf(":");
  const wanted = cgroup.slice(0, at).split(",");
  const found = hierarchies().find(({ controllers }) => wanted.every((name) => controllers.includes(name)));
  if (found === undefined) return "no hierarchy";
  return statSync(found.path + cgroup.slice(at + 1), { throwIfNoEntry: false }) ? "there" : "no cgroup";
}

/** What is at each path; between them, how many are done. */
function* filesAt(paths: readonly string[]): Generator<Progress, HostFacts["files"]> {
  const files: HostFacts["files"] = {};
  for (const [done, path] of paths.entries()) {
    yield { done, total: paths.length };
    files[path] = fileFacts(path);
  }
  return files;
}

/** `paths`: files to look at; `cgroups`: as cgroupsOf names them. @throws UnsupportedError where this is no Linux */
export function* hostFacts(
  paths: readonly string[],
  cgroups: readonly string[],
): Generator<Progress, HostFacts> {
  if (process.platform !== "linux") {
    throw new UnsupportedError("this machine is no Linux", {
      hint: "give the facts of the machine with --host",
    });
  }
  return {
    release: release(),
    machine: machine(),
    pidMax: Number(read("/proc/sys/kernel/pid_max")),
    tasks: tasks(),
    files: yield* filesAt(paths),
    bound: ["tcp", "tcp6", "udp", "udp6"].flatMap((file) => boundIn(file.slice(0, 3), `/proc/net/${file}`)),
    filesystems: read("/proc/filesystems")
      .split("\n")
      .flatMap((line) => line.split("\t")[1] ?? []),
    cgroups: Object.fromEntries(cgroups.map((cgroup) => [cgroup, cgroupState(cgroup)])),
    cpuFlags: /^(?:flags|Features)\s*:\s*(.*)$/m.exec(read("/proc/cpuinfo"))?.[1].split(" ") ?? [],
    capabilities: /^CapEff:\s*(\w+)/m.exec(read("/proc/self/status"))?.[1] ?? "0",
  };
}
