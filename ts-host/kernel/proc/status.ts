/** /proc/PID/status and /proc/PID/task/TID/status. */
import { bytesOf, decimal, hexadecimal, linesOf, malformed, octal, type Place } from "./text.ts";

export interface Ids {
  real: number;
  effective: number;
  saved: number;
  fs: number;
}

/** Fields that may be undefined are missing for zombies and kernel threads, or on older kernels. */
export interface ProcStatus {
  /** Name of the task, any bytes. */
  name: Buffer;
  umask: number | undefined;
  /** As in stat: R, S, D, Z, T, t … */
  state: string;
  tgid: number;
  ngid: number;
  pid: number;
  ppid: number;
  tracerPid: number;
  uid: Ids;
  gid: Ids;
  fdSize: number;
  groups: number[];
  /** Ids in each pid namespace, from the reader's inwards. */
  nsTgid: number[];
  nsPid: number[];
  nsPgid: number[];
  nsSid: number[];
  threads: number;
  /** Signals queued for the real user, and the limit. */
  sigQ: { queued: number; limit: number };
  /** Signal masks; bit 0 is signal 1. */
  sigPnd: bigint;
  shdPnd: bigint;
  sigBlk: bigint;
  sigIgn: bigint;
  sigCgt: bigint;
  /** Capability masks. */
  capInh: bigint;
  capPrm: bigint;
  capEff: bigint;
  capBnd: bigint;
  capAmb: bigint;
  noNewPrivs: boolean;
  /** A SECCOMP_MODE_. */
  seccomp: number;
  seccompFilters: number | undefined;
  /** "thread vulnerable", "thread force mitigated", "not vulnerable" … */
  speculationStoreBypass: string | undefined;
  speculationIndirectBranch: string | undefined;
  /** "shstk", "wrss". */
  x86ThreadFeatures: string[] | undefined;
  x86ThreadFeaturesLocked: string[] | undefined;
  thpEnabled: boolean | undefined;
  /** Bits of an address that count; fewer than all with linear address masking. */
  untagMask: bigint | undefined;
  coreDumping: boolean | undefined;
}

function words(text: string): string[] {
  return text.split(/[\t ]+/).filter((word) => word !== "");
}

export function parseStatus(bytes: Uint8Array, file: string): ProcStatus {
  const fields = new Map<string, { text: string; place: Place }>();
  const lines = linesOf(bytes, file);
  for (const { text, place } of lines) {
    const colon = text.indexOf(":\t");
    if (colon < 0) throw malformed(place, "line", "a name and a value", text);
    fields.set(text.slice(0, colon), { text: text.slice(colon + 2), place });
  }
  const end = { file, line: lines.length + 1 };

  function value(name: string): { text: string; place: Place } {
    const found = fields.get(name);
    if (found === undefined) throw malformed(end, name, "a line with this name", "none");
    return found;
  }
  function number(name: string): number {
    const { text, place } = value(name);
    return decimal(text, place, name);
  }
  function mask(name: string): bigint {
    const { text, place } = value(name);
    return hexadecimal(text, place, name);
  }
  function prefixedMask(name: string): bigint {
    const { text, place } = value(name);
    return hexadecimal(text.replace(/^0x/, ""), place, name);
  }
  function numbers(name: string): number[] {
    const { text, place } = value(name);
    return words(text).map((word) => decimal(word, place, name));
  }
  function ids(name: string): Ids {
    const { text, place } = value(name);
    const [real, effective, saved, fs] = words(text).map((word) => decimal(word, place, name));
    if (fs === undefined) throw malformed(place, name, "four ids", text);
    return { real: real!, effective: effective!, saved: saved!, fs };
  }
  function optional<T>(name: string, read: (name: string) => T): T | undefined {
    return fields.has(name) ? read(name) : undefined;
  }
  function pair(name: string): { queued: number; limit: number } {
    const { text, place } = value(name);
    const [queued, limit] = text.split("/");
    return { queued: decimal(queued, place, name), limit: decimal(limit, place, name) };
  }
  const flag = (name: string) => number(name) !== 0;
  const string = (name: string) => value(name).text;
  const list = (name: string) => words(value(name).text);

  return {
    name: unescapeName(string("Name")),
    umask: optional("Umask", (name) => octal(value(name).text, value(name).place, name)),
    state: string("State").slice(0, 1),
    tgid: number("Tgid"),
    ngid: number("Ngid"),
    pid: number("Pid"),
    ppid: number("PPid"),
    tracerPid: number("TracerPid"),
    uid: ids("Uid"),
    gid: ids("Gid"),
    fdSize: number("FDSize"),
    groups: numbers("Groups"),
    nsTgid: numbers("NStgid"),
    nsPid: numbers("NSpid"),
    nsPgid: numbers("NSpgid"),
    nsSid: numbers("NSsid"),
    threads: number("Threads"),
    sigQ: pair("SigQ"),
    sigPnd: mask("SigPnd"),
    shdPnd: mask("ShdPnd"),
    sigBlk: mask("SigBlk"),
    sigIgn: mask("SigIgn"),
    sigCgt: mask("SigCgt"),
    capInh: mask("CapInh"),
    capPrm: mask("CapPrm"),
    capEff: mask("CapEff"),
    capBnd: mask("CapBnd"),
    capAmb: mask("CapAmb"),
    noNewPrivs: flag("NoNewPrivs"),
    seccomp: number("Seccomp"),
    seccompFilters: optional("Seccomp_filters", number),
    speculationStoreBypass: optional("Speculation_Store_Bypass", string),
    speculationIndirectBranch: optional("SpeculationIndirectBranch", string),
    x86ThreadFeatures: optional("x86_Thread_features", list),
    x86ThreadFeaturesLocked: optional("x86_Thread_features_locked", list),
    untagMask: optional("untag_mask", prefixedMask),
    thpEnabled: optional("THP_enabled", flag),
    coreDumping: optional("CoreDumping", flag),
  };
}

/** Here, and only here, the kernel writes newline and backslash of a name as \n and \\. */
function unescapeName(text: string): Buffer {
  return bytesOf(text.replace(/\\([n\\])/g, (_, escaped) => (escaped === "n" ? "\n" : "\\")));
}
