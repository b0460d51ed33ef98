/**
 * seccomp: strict mode, and filters, of which each thread has a chain; a thread that is cloned shares the chain
 * of its parent. They are asked for and given back while the tracer suspends them.
 *
 * The kernel does not say what is shared, but heeds it: a thread can give its filters to all (TSYNC) only where
 * their chains are a beginning of its own. So what is equal at the beginning of all chains is given to all
 * threads at once. Lost: the sharing of further filters by some of the threads. Refused: filters that ask a
 * supervisor (SECCOMP_RET_USER_NOTIF), and those whose program the kernel does not keep.
 *
 * In the image, a thread names its oldest filter, and the field `prev` of a filter names the one after it.
 * Where all threads have the same chain, only the leader has it, with the flag TSYNC.
 */
import type { DumpTask, DumpThread } from "../engine/dump-task.ts";
import type { Kind } from "../engine/kind.ts";
import type { RestoreTask, RestoreThread } from "../engine/restore-task.ts";
import { CriuWasmError, ImageError, SystemCallError, UnsupportedError } from "../errors.ts";
import { type SeccompFilter, SeccompMode } from "../generated/messages.ts";
import { onlyMessage } from "../images/only-message.ts";
import { PR_SET_SECCOMP } from "../kernel/abi/prctl.ts";
import {
  PTRACE_SECCOMP_GET_FILTER,
  PTRACE_SECCOMP_GET_METADATA,
  seccompMetadata,
} from "../kernel/abi/ptrace.ts";
import {
  BPF_K,
  BPF_MAXINSNS,
  BPF_RET,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_MODE_FILTER,
  SECCOMP_MODE_STRICT,
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_USER_NOTIF,
  SECCOMP_SET_MODE_FILTER,
  sockFilter,
  sockFprog,
} from "../kernel/abi/seccomp.ts";
import { ERRNO, errnoName } from "../kernel/errno.ts";
import { callOnTask, tryCall } from "../native/calls.ts";
import { Batch } from "../remote/batch.ts";
import { SEED_OPTIONS } from "../remote/seed.ts";

/** A program, and how it was installed: SECCOMP_FILTER_FLAG_… */
interface Filter {
  program: Uint8Array;
  flags: number;
}

/** Filters in the order in which they were installed. */
type Chain = Filter[];

function isSame(a: Filter | undefined, b: Filter | undefined): boolean {
  return (
    a !== undefined && b !== undefined && a.flags === b.flags && Buffer.compare(a.program, b.program) === 0
  );
}

/** How many filters are equal at the beginning of all chains. */
export function commonLength(chains: readonly Chain[]): number {
  const [first = [], ...others] = chains;
  const differs = first.findIndex((filter, index) => !others.every((chain) => isSame(chain[index], filter)));
  return differs < 0 ? first.length : differs;
}

function asksSupervisor(program: Uint8Array): boolean {
  for (let at = 0; at < program.length; at += sockFilter.size) {
    const { code, k } = sockFilter.read(program, at);
    if (code === (BPF_RET | BPF_K) && (k & SECCOMP_RET_ACTION_FULL) === SECCOMP_RET_USER_NOTIF) return true;
  }
  return false;
}

function chainOf({ tid }: DumpThread): Chain {
  const chain: Chain = [];
  for (;;) {
    const room = Buffer.alloc(BPF_MAXINSNS * sockFilter.size);
    const length = Number(tryCall("ptrace", PTRACE_SECCOMP_GET_FILTER, tid, chain.length, room));
    if (length === -ERRNO.ENOENT) return chain;
    if (length < 0) {
      throw new SystemCallError("a seccomp filter cannot be read", {
        tid,
        op: `ptrace(PTRACE_SECCOMP_GET_FILTER, ${chain.length})`,
        errno: errnoName(-length),
      });
    }
    const program = room.subarray(0, length * sockFilter.size);
    if (asksSupervisor(program)) {
      throw new UnsupportedError("a seccomp filter that asks a supervisor: not supported yet", { tid });
    }
    const metadata = Buffer.from(seccompMetadata.pack({ filter_off: BigInt(chain.length) }));
    callOnTask(tid, "ptrace", PTRACE_SECCOMP_GET_METADATA, tid, metadata.length, metadata);
    chain.push({ program, flags: Number(seccompMetadata.read(metadata).flags) });
  }
}

/** Appends a chain to the image's filters, in their order: the newest first. The place of the oldest. */
export function appendChain(filters: SeccompFilter[], chain: Chain): number {
  const newest = filters.length;
  for (const { program, flags } of [...chain].reverse()) {
    const prev = filters.length === newest ? {} : { prev: filters.length - 1 };
    filters.push({ filter: program, flags, ...prev });
  }
  return filters.length - 1;
}

function keep(task: DumpTask): void {
  const filters = task.images.single({ kind: "SECCOMP" }, () => ({ seccomp_filters: [] })).seccomp_filters;
  const keepChain = ({ core }: DumpThread, chain: Chain) => {
    core.seccomp_mode = SeccompMode.filter;
    core.seccomp_filter = appendChain(filters, chain);
  };
  const chains = new Map<DumpThread, Chain>();
  for (const thread of task.threads) {
    const { seccomp } = thread.status;
    if (seccomp === SECCOMP_MODE_STRICT) thread.core.seccomp_mode = SeccompMode.strict;
    if (seccomp === SECCOMP_MODE_FILTER) chains.set(thread, chainOf(thread));
  }
  const [own = [], ...others] = task.threads.map((thread) => chains.get(thread) ?? []);
  const areSame =
    others.every((chain) => chain.length === own.length) && commonLength([own, ...others]) === own.length;
  if (areSame && own.length > 0) {
    const forAll = own.map(({ program, flags }) => ({ program, flags: flags | SECCOMP_FILTER_FLAG_TSYNC }));
    keepChain(task.leader, forAll);
  } else {
    for (const [thread, chain] of chains) keepChain(thread, chain);
  }
}

/** The chain that begins with the filter `first` of the image, and whether all threads are to have it. */
export function followChain(
  filters: readonly SeccompFilter[],
  first: number,
): { chain: Chain; isForAll: boolean } {
  const file = "seccomp.img";
  const chain: Chain = [];
  let isForAll = true;
  for (let index: number | undefined = first; index !== undefined; index = filters[index]!.prev) {
    const entry = filters[index];
    if (!entry) throw new ImageError(`holds no seccomp filter ${index}`, { file });
    if (chain.length >= filters.length)
      throw new ImageError("a chain of seccomp filters goes in circles", { file });
    const { filter, flags = 0 } = entry;
    if (
      filter.length === 0 ||
      filter.length % sockFilter.size !== 0 ||
      filter.length > BPF_MAXINSNS * sockFilter.size
    ) {
      throw new ImageError(`seccomp filter ${index} has ${filter.length} bytes`, { file });
    }
    isForAll &&= (flags & SECCOMP_FILTER_FLAG_TSYNC) !== 0;
    chain.push({ program: filter, flags: flags & ~SECCOMP_FILTER_FLAG_TSYNC });
  }
  return { chain, isForAll };
}

function chainsOf(task: RestoreTask): Map<RestoreThread, Chain> {
  const filtered = task.threads.filter(({ core }) => core.seccomp_mode === SeccompMode.filter);
  if (filtered.length === 0) return new Map();
  const filters = onlyMessage(task.context.reader, { kind: "SECCOMP" }).seccomp_filters;
  const chains = new Map<RestoreThread, Chain>();
  for (const thread of filtered) {
    const { chain, isForAll } = followChain(filters, thread.core.seccomp_filter ?? 0);
    for (const owner of isForAll ? task.threads : [thread]) chains.set(owner, chain);
  }
  return chains;
}

function install(thread: RestoreThread, { program, flags }: Filter, extraFlags: number): void {
  const batch = new Batch();
  const fprog = batch.bytes(sockFprog.pack({ len: program.length / sockFilter.size }));
  batch.pointer(fprog, sockFprog.offsets.filter, batch.bytes(program));
  // The filter does not slow the thread down by itself: its speculation control is an attribute of its own.
  const allFlags = flags | extraFlags | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  const set = batch.call("seccomp", [SECCOMP_SET_MODE_FILTER, allFlags, fprog]);
  thread.remote.run(batch);
  // TSYNC answers with the thread that it could not reach.
  if (set.result !== 0) throw new CriuWasmError(`internal: filters cannot be given to thread ${set.result}`);
}

function giveBack(task: RestoreTask): void {
  const chains = chainsOf(task);
  const strict = task.threads.filter(({ core }) => core.seccomp_mode === SeccompMode.strict);
  if (chains.size === 0 && strict.length === 0) return;
  for (const { tracee } of task.threads) tracee.suspendSeccomp(SEED_OPTIONS);
  const common = commonLength(task.threads.map((thread) => chains.get(thread) ?? []));
  for (const filter of chains.get(task.leader)?.slice(0, common) ?? []) {
    install(task.leader, filter, SECCOMP_FILTER_FLAG_TSYNC);
  }
  for (const [thread, chain] of chains) {
    for (const filter of chain.slice(common)) install(thread, filter, 0);
  }
  for (const thread of strict) {
    const batch = new Batch();
    batch.call("prctl", [PR_SET_SECCOMP, SECCOMP_MODE_STRICT]);
    thread.remote.run(batch);
  }
}

export const seccomp: Kind = {
  name: "seccomp",

  dumpTask(task) {
    return () => keep(task);
  },

  restoreTask: {
    check(task) {
      if (task.core.old_seccomp_mode)
        throw new UnsupportedError("seccomp as CRIU before 3.11 has it in its images");
      chainsOf(task);
    },
    seccomp: giveBack,
  },
};
