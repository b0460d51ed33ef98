/**
 * Credentials, which belong to threads: user and group ids, supplementary groups, the five capability sets,
 * securebits, no_new_privs.
 *
 * They are given back while the thread still has the privileges that this takes: ids first, with
 * NO_SETUID_FIXUP set so that they leave the capabilities alone; then the inheritable set, which the bounding
 * set limits; the bounding set; the ambient set; the permitted and the effective one last.
 *
 * Security labels are in no image of ours: a task with the label of the dumping process comes back with that of
 * the restoring one; any other label is refused.
 */
import { readFileSync } from "node:fs";
import type { Answers, Kind } from "../engine/kind.ts";
import type { RestoreThread } from "../engine/restore-task.ts";
import { HostMismatchError, ImageError, UnsupportedError } from "../errors.ts";
import type { CredsEntry } from "../generated/messages.ts";
import {
  _LINUX_CAPABILITY_VERSION_3,
  CAP_SETPCAP,
  CAPABILITY_NAMES,
  capabilityNames,
  capData,
  capHeader,
} from "../kernel/abi/capability.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_GET_SECUREBITS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_SECUREBITS,
  SECBIT_NO_SETUID_FIXUP,
} from "../kernel/abi/prctl.ts";
import type { ProcStatus } from "../kernel/proc/status.ts";
import { ProcPid } from "../kernel/process.ts";
import type { Batch } from "../remote/batch.ts";

/** A capability set as the image has it: 32 of them a word, the lowest first. */
const toWords = (set: bigint) => [Number(set & 0xffff_ffffn), Number(set >> 32n)];
const fromWords = (words: readonly number[]) =>
  words.reduce((set, word, index) => set | (BigInt(word) << BigInt(32 * index)), 0n);
const has = (set: bigint, capability: number) => ((set >> BigInt(capability)) & 1n) === 1n;
const ALL_CAPABILITIES = CAPABILITY_NAMES.map((_, number) => number);

let ownStatusOnce: ProcStatus | undefined;
/** Status of this process, from which the seed has what it has. */
function ownStatus(): ProcStatus {
  ownStatusOnce ??= new ProcPid(process.pid).status();
  return ownStatusOnce;
}

/** A security label; undefined where no security module gives any. */
function labelAt(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/[\n\0]+$/, "");
  } catch {
    return undefined;
  }
}

let ownLabelOnce: { label: string | undefined } | undefined;
function ownLabel(): string | undefined {
  ownLabelOnce ??= { label: labelAt("/proc/self/attr/current") };
  return ownLabelOnce.label;
}

function refuseForeignLabel(threadPath: string): void {
  if (ownLabel() === undefined) return;
  const label = labelAt(`${threadPath}/attr/current`);
  if (label === undefined || label === ownLabel()) return;
  throw new UnsupportedError(`the security label ${label}: not supported yet`, {
    hint: `only ${ownLabel()}, which criu-wasm itself has`,
  });
}

function toImage(status: ProcStatus, securebits: number): CredsEntry {
  const { uid, gid } = status;
  return {
    uid: uid.real,
    gid: gid.real,
    euid: uid.effective,
    egid: gid.effective,
    suid: uid.saved,
    sgid: gid.saved,
    fsuid: uid.fs,
    fsgid: gid.fs,
    cap_inh: toWords(status.capInh),
    cap_prm: toWords(status.capPrm),
    cap_eff: toWords(status.capEff),
    cap_bnd: toWords(status.capBnd),
    cap_amb: toWords(status.capAmb),
    secbits: securebits,
    groups: status.groups,
    ...(status.noNewPrivs ? { no_new_privs: 1 } : {}),
  };
}

/** What can be given back: a process cannot give what it does not have itself. */
function available(creds: CredsEntry) {
  const { capPrm, capBnd } = ownStatus();
  return {
    inheritable: fromWords(creds.cap_inh) & capBnd,
    permitted: fromWords(creds.cap_prm) & capPrm,
    effective: fromWords(creds.cap_eff) & capPrm,
    bounding: fromWords(creds.cap_bnd) & capBnd,
    ambient: fromWords(creds.cap_amb) & capPrm & capBnd,
  };
}

function check({ core, task }: RestoreThread): void {
  const { creds } = core;
  if (!creds) throw new ImageError("holds no credentials", { field: "thread_core.creds" });
  if (creds.lsm_profile && Buffer.from(creds.lsm_profile).toString() !== ownLabel()) {
    const label = Buffer.from(creds.lsm_profile).toString();
    throw new UnsupportedError(`the security label ${label}: not supported yet`);
  }
  const sets = available(creds);
  const missing =
    (fromWords(creds.cap_inh) ^ sets.inheritable) |
    (fromWords(creds.cap_prm) ^ sets.permitted) |
    (fromWords(creds.cap_eff) ^ sets.effective) |
    (fromWords(creds.cap_bnd) ^ sets.bounding) |
    (fromWords(creds.cap_amb) ^ sets.ambient);
  if (missing !== 0n) {
    const names = capabilityNames(missing).join(", ");
    task.concede(`${names} cannot be given back: this process does not have it`);
  }
  if (ownStatus().noNewPrivs && !creds.no_new_privs) {
    throw new HostMismatchError("no_new_privs is set in this process and cannot be taken off the task's");
  }
}

interface CapabilitySets {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

function setCapabilities(batch: Batch, sets: CapabilitySets): void {
  const header = batch.bytes(capHeader.pack({ version: _LINUX_CAPABILITY_VERSION_3, pid: 0 }));
  const halves = [0, 1].map((word) =>
    capData.pack({
      effective: toWords(sets.effective)[word]!,
      permitted: toWords(sets.permitted)[word]!,
      inheritable: toWords(sets.inheritable)[word]!,
    }),
  );
  batch.call("capset", [header, batch.bytes(Buffer.concat(halves))]);
}

function giveBack({ core }: RestoreThread, batch: Batch): Answers {
  const creds = core.creds!;
  const { permitted, effective, inheritable, bounding, ambient } = available(creds);
  const prctl = (...args: number[]) => batch.call("prctl", args);

  prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
  batch.call("setgroups", [
    creds.groups.length,
    batch.bytes(new Uint8Array(Uint32Array.from(creds.groups).buffer)),
  ]);
  batch.call("setresgid", [creds.gid, creds.egid, creds.sgid]);
  batch.call("setfsgid", [creds.fsgid]);
  batch.call("setresuid", [creds.uid, creds.euid, creds.suid]);
  batch.call("setfsuid", [creds.fsuid]);

  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  const working = permitted | (1n << BigInt(CAP_SETPCAP));
  setCapabilities(batch, { permitted: working, effective: working, inheritable });
  for (const capability of ALL_CAPABILITIES) {
    // An older kernel does not have all that we know of.
    if (!has(bounding, capability)) batch.call("prctl", [PR_CAPBSET_DROP, capability], { mayFail: true });
    if (has(ambient, capability)) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability);
  }
  prctl(PR_SET_SECUREBITS, creds.secbits);
  setCapabilities(batch, { permitted, effective, inheritable });
  if (creds.no_new_privs) prctl(PR_SET_NO_NEW_PRIVS, 1);
}

export const credentials: Kind = {
  name: "credentials",
  after: ["limits"],

  dumpThread(thread, batch) {
    const { status } = thread;
    refuseForeignLabel(thread.proc.threadPath);
    const securebits = batch.call("prctl", [PR_GET_SECUREBITS]);
    return () => {
      thread.core.creds = toImage(status, securebits.result);
    };
  },

  restoreThread: { check, credentials: giveBack },
};
