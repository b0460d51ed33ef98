/**
 * Attributes that are read and set by prctl and arch_prctl, one row each. Every getter that the kernel has on
 * x86-64 is here: for an attribute that is restored, for one that is refused where it is not at its default, or
 * with the name of the kind whose business it is.
 *
 * An attribute is written also where it has its default, for the seed has what the restoring process has; then
 * it is read back, and what the kernel did not take is an error by name. A kernel without the attribute will do
 * where the task has the default. Lost: PR_SET_PTRACER, which no getter shows.
 */
import type { DumpTask, DumpThread } from "../engine/dump-task.ts";
import type { Answers, Kind } from "../engine/kind.ts";
import type { RestoreTask, RestoreThread } from "../engine/restore-task.ts";
import { HostMismatchError, UnsupportedError } from "../errors.ts";
import { DEFAULTS } from "../generated/messages.ts";
import {
  ARCH_GET_CPUID,
  ARCH_GET_FS,
  ARCH_GET_GS,
  ARCH_GET_UNTAG_MASK,
  ARCH_GET_XCOMP_GUEST_PERM,
  ARCH_GET_XCOMP_PERM,
  ARCH_GET_XCOMP_SUPP,
  ARCH_SET_CPUID,
  ARCH_SHSTK_STATUS,
  ARCH_XCOMP_TILEDATA,
  PR_CAP_AMBIENT,
  PR_CAPBSET_READ,
  PR_FUTEX_HASH,
  PR_GET_CHILD_SUBREAPER,
  PR_GET_DUMPABLE,
  PR_GET_IO_FLUSHER,
  PR_GET_KEEPCAPS,
  PR_GET_MDWE,
  PR_GET_MEMORY_MERGE,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_SECCOMP,
  PR_GET_SECUREBITS,
  PR_GET_SHADOW_STACK_STATUS,
  PR_GET_SPECULATION_CTRL,
  PR_GET_THP_DISABLE,
  PR_GET_TID_ADDRESS,
  PR_GET_TIMERSLACK,
  PR_GET_TSC,
  PR_MCE_KILL,
  PR_MCE_KILL_GET,
  PR_MCE_KILL_SET,
  PR_SCHED_CORE,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_IO_FLUSHER,
  PR_SET_MDWE,
  PR_SET_MEMORY_MERGE,
  PR_SET_SPECULATION_CTRL,
  PR_SET_TSC,
  PR_SPEC_DISABLE,
  PR_SPEC_INDIRECT_BRANCH,
  PR_SPEC_L1D_FLUSH,
  PR_SPEC_NOT_AFFECTED,
  PR_SPEC_PRCTL,
  PR_SPEC_STORE_BYPASS,
  PR_TIMER_CREATE_RESTORE_IDS,
  PR_TIMER_CREATE_RESTORE_IDS_GET,
} from "../kernel/abi/prctl.ts";
import type { Batch } from "../remote/batch.ts";

interface Attribute<Dumped, Restored> {
  name: string;
  /** Option and arguments that get the value; by prctl, unless `call` says otherwise. */
  getter: readonly number[];
  /** The getter writes the value, of 32 bits, where its last argument points; else it returns the value. */
  isPointedTo?: boolean;
  /** Option and arguments that set the value, which is the next argument. */
  setter: readonly number[];
  call?: "arch_prctl";
  /** How the value is seen by one who may not call the getter. */
  observe?(subject: Dumped): number;
  /** What of the getter's answer is the value; undefined for no such attribute, ANY for all values are alike. */
  interpret?(answer: number): number | typeof ANY | undefined;
  /** What the kernel gives a task that never asked for anything else. */
  standard: number;
  keep(subject: Dumped, value: number): void;
  wanted(subject: Restored): number | undefined;
}

const ANY = "any";

/** A field of the extension of CRIU's message, there only where the value is not the standard one. */
function extended<Field extends string>(field: Field, standard = 0) {
  return {
    standard,
    keep(subject: { extension: Partial<Record<Field, number>> }, value: number): void {
      if (value !== standard) Object.assign(subject.extension, { [field]: value });
    },
    wanted(subject: { core: { criu_wasm?: Partial<Record<Field, number>> } }): number | undefined {
      return subject.core.criu_wasm?.[field];
    },
  };
}

/** What the processor may speculate about. It is asked for where the machine is not mitigated as a whole. */
function speculation(name: string, which: number, field: "store_bypass" | "indirect_branch" | "l1d_flush") {
  return {
    name: `${name} speculation (PR_SET_SPECULATION_CTRL)`,
    getter: [PR_GET_SPECULATION_CTRL, which],
    setter: [PR_SET_SPECULATION_CTRL, which],
    interpret(answer: number) {
      if (answer & PR_SPEC_PRCTL) return answer & ~PR_SPEC_PRCTL;
      return answer === PR_SPEC_NOT_AFFECTED || answer === PR_SPEC_DISABLE ? ANY : undefined;
    },
    ...extended(field, DEFAULTS.criu_wasm_thread[field]),
  };
}

/** Without CAP_SYS_RESOURCE nobody may ask for PR_GET_IO_FLUSHER, but flags that all can see show it. */
const PF_MEMALLOC_NOIO = 0x0008_0000;
const PF_LOCAL_THROTTLE = 0x0010_0000;
const IO_FLUSHER_FLAGS = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;

const TASK_ATTRIBUTES: readonly Attribute<DumpTask, RestoreTask>[] = [
  {
    name: "child subreaper (PR_SET_CHILD_SUBREAPER)",
    getter: [PR_GET_CHILD_SUBREAPER],
    isPointedTo: true,
    setter: [PR_SET_CHILD_SUBREAPER],
    standard: 0,
    keep(task, value) {
      task.core.child_subreaper = value !== 0;
    },
    wanted: (task) => Number(task.core.child_subreaper ?? false),
  },
  {
    name: "merging of equal pages (PR_SET_MEMORY_MERGE)",
    getter: [PR_GET_MEMORY_MERGE],
    setter: [PR_SET_MEMORY_MERGE],
    ...extended("memory_merge"),
  },
  {
    name: "no memory that is writable and executable (PR_SET_MDWE)",
    getter: [PR_GET_MDWE],
    setter: [PR_SET_MDWE],
    ...extended("deny_write_execute"),
  },
  {
    name: "timers with ids of one's choice (PR_TIMER_CREATE_RESTORE_IDS)",
    getter: [PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET],
    setter: [PR_TIMER_CREATE_RESTORE_IDS],
    ...extended("timer_restore_ids"),
  },
];

const THREAD_ATTRIBUTES: readonly Attribute<DumpThread, RestoreThread>[] = [
  {
    name: "time stamp counter (PR_SET_TSC)",
    getter: [PR_GET_TSC],
    isPointedTo: true,
    setter: [PR_SET_TSC],
    ...extended("time_stamp_counter", DEFAULTS.criu_wasm_thread.time_stamp_counter),
  },
  {
    name: "cpuid instruction (ARCH_SET_CPUID)",
    call: "arch_prctl",
    getter: [ARCH_GET_CPUID],
    setter: [ARCH_SET_CPUID],
    ...extended("cpuid", DEFAULTS.criu_wasm_thread.cpuid),
  },
  {
    name: "machine check policy (PR_MCE_KILL)",
    getter: [PR_MCE_KILL_GET],
    setter: [PR_MCE_KILL, PR_MCE_KILL_SET],
    ...extended("machine_check", DEFAULTS.criu_wasm_thread.machine_check),
  },
  {
    name: "I/O flusher (PR_SET_IO_FLUSHER)",
    getter: [PR_GET_IO_FLUSHER],
    setter: [PR_SET_IO_FLUSHER],
    observe: (thread) => Number((thread.proc.stat().flags & IO_FLUSHER_FLAGS) === IO_FLUSHER_FLAGS),
    ...extended("io_flusher"),
  },
  speculation("store bypass", PR_SPEC_STORE_BYPASS, "store_bypass"),
  speculation("indirect branch", PR_SPEC_INDIRECT_BRANCH, "indirect_branch"),
  speculation("L1 data cache", PR_SPEC_L1D_FLUSH, "l1d_flush"),
];

/** Getters of what is refused where it is not at its default. */
const REFUSED_GETTERS = [ARCH_GET_XCOMP_PERM, ARCH_GET_UNTAG_MASK, ARCH_SHSTK_STATUS];

function refuse(what: string): never {
  throw new UnsupportedError(`${what}: not supported yet`);
}

/** What /proc shows is refused before the task is touched. */
function refuseByStatus({ status }: DumpThread): void {
  if (status.x86ThreadFeatures?.length) refuse(`shadow stacks (${status.x86ThreadFeatures.join(", ")})`);
  if (status.untagMask !== undefined && status.untagMask !== 2n ** 64n - 1n) refuse("linear address masking");
}

function refuseTileRegisters(batch: Batch): Answers {
  const permitted = batch.room(8);
  // Not there on a kernel before 5.16.
  batch.call("arch_prctl", [ARCH_GET_XCOMP_PERM, permitted], { mayFail: true });
  return () => {
    if ((permitted.bytes.readBigUInt64LE(0) >> BigInt(ARCH_XCOMP_TILEDATA)) & 1n)
      refuse("tile registers (AMX)");
  };
}

/** Getters that are other kinds' business, by name of the kind; and of what is not the task's at all. */
const OTHER_GETTERS: Record<string, readonly number[]> = {
  credentials: [PR_GET_KEEPCAPS, PR_GET_SECUREBITS, PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ, PR_CAP_AMBIENT],
  dumpable: [PR_GET_DUMPABLE],
  "futex-hash": [PR_FUTEX_HASH],
  "huge-pages": [PR_GET_THP_DISABLE],
  registers: [ARCH_GET_FS, ARCH_GET_GS],
  scheduling: [PR_GET_TIMERSLACK, PR_SCHED_CORE],
  seccomp: [PR_GET_SECCOMP],
  thread: [PR_GET_NAME, PR_GET_PDEATHSIG, PR_GET_TID_ADDRESS],
  "the machine": [ARCH_GET_XCOMP_SUPP],
  "virtual machines, whose descriptors are refused": [ARCH_GET_XCOMP_GUEST_PERM],
  "other architectures": [PR_GET_SHADOW_STACK_STATUS],
};

/** Every getter that is accounted for. */
export const KNOWN_GETTERS: ReadonlySet<number> = new Set([
  ...[...TASK_ATTRIBUTES, ...THREAD_ATTRIBUTES].map(({ getter }) => getter[0]!),
  ...REFUSED_GETTERS,
  ...Object.values(OTHER_GETTERS).flat(),
]);

/** Queues the getter; the value is there once the calls were made. */
function ask<D, R>(attribute: Attribute<D, R>, batch: Batch): () => number | typeof ANY | undefined {
  const { call = "prctl", getter, isPointedTo, interpret = (answer: number) => answer } = attribute;
  const room = isPointedTo ? [batch.room(4)] : [];
  const op = batch.call(call, [...getter, ...room], { mayFail: true });
  return () => (op.failed ? undefined : interpret(room[0]?.bytes.readUInt32LE(0) ?? op.result));
}

function dumpAttributes<D, R>(attributes: readonly Attribute<D, R>[], subject: D, batch: Batch): () => void {
  const answers = attributes.map((attribute) => ask(attribute, batch));
  return () => {
    attributes.forEach((attribute, index) => {
      const value = answers[index]!() ?? attribute.observe?.(subject);
      if (typeof value === "number") attribute.keep(subject, value);
    });
  };
}

function giveBack<D, R>(attribute: Attribute<D, R>, subject: R, batch: Batch): () => void {
  const { call = "prctl", name, setter, standard } = attribute;
  const wanted = attribute.wanted(subject) ?? standard;
  batch.call(call, [...setter, wanted], { mayFail: true });
  const answer = ask(attribute, batch);
  return () => {
    const now = answer();
    if (now === wanted || now === ANY || (now === undefined && wanted === standard)) return;
    throw new HostMismatchError(
      `${name}: it was ${wanted}, and here it ${now === undefined ? "does not exist" : `stays ${now}`}`,
    );
  };
}

export const prctls: Kind = {
  name: "prctl",

  dumpTask(task, batch) {
    const refuse = refuseTileRegisters(batch);
    const keep = dumpAttributes(TASK_ATTRIBUTES, task, batch);
    return () => {
      refuse?.();
      keep();
    };
  },

  dumpThread(thread, batch) {
    refuseByStatus(thread);
    return dumpAttributes(THREAD_ATTRIBUTES, thread, batch);
  },

  restoreTask: {
    arm(task, batch) {
      const checks = TASK_ATTRIBUTES.map((attribute) => giveBack(attribute, task, batch));
      return () => {
        for (const check of checks) check();
      };
    },
  },

  restoreThread: {
    // While it has the privileges that some of these take.
    thread(thread, batch) {
      const checks = THREAD_ATTRIBUTES.map((attribute) => giveBack(attribute, thread, batch));
      return () => {
        for (const check of checks) check();
      };
    },
  },
};
