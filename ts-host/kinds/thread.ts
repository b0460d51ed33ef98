/**
 * Threads: their being there under their ids, and what the kernel keeps for the C library in each: robust
 * list, restartable sequences, the address that is cleared at exit, thread-local storage segments, the name.
 */
import type { Kind } from "../engine/kind.ts";
import type { RestoreTask } from "../engine/restore-task.ts";
import { idTaken } from "../engine/taken.ts";
import { GDT_ENTRY_TLS_MAX, GDT_ENTRY_TLS_MIN, readUserDesc } from "../kernel/abi/ldt.ts";
import { PR_GET_PDEATHSIG, PR_GET_TID_ADDRESS, PR_SET_NAME, PR_SET_PDEATHSIG } from "../kernel/abi/prctl.ts";
import { PTRACE_GET_THREAD_AREA } from "../kernel/abi/ptrace.ts";
import {
  CLONE_CHILD_CLEARTID,
  CLONE_FILES,
  CLONE_FS,
  CLONE_PTRACE,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
  cloneArgs,
} from "../kernel/abi/sched.ts";
import { ProcPid } from "../kernel/process.ts";
import { call, callOnTask } from "../native/calls.ts";
import { Batch } from "../remote/batch.ts";
import { rseqRegistration } from "../remote/rseq.ts";
import { Tracee } from "../remote/tracee.ts";

const THREAD_FLAGS =
  CLONE_VM |
  CLONE_FS |
  CLONE_FILES |
  CLONE_SIGHAND |
  CLONE_THREAD |
  CLONE_SYSVSEM |
  CLONE_SETTLS |
  CLONE_PTRACE;
/** Threads made by one batch. */
const CLONES_A_BATCH = 200;
const STOP_TIMEOUT_US = 10_000_000;

function robustList(tid: number): { address: bigint; length: number } {
  const answer = Buffer.alloc(128);
  call("get_robust_list", tid, answer.subarray(0, 8), answer.subarray(64, 72));
  return { address: answer.readBigUInt64LE(0), length: Number(answer.readBigUInt64LE(64)) };
}

function tlsSegments(tid: number) {
  const numbers = Array.from(
    { length: GDT_ENTRY_TLS_MAX - GDT_ENTRY_TLS_MIN + 1 },
    (_, i) => GDT_ENTRY_TLS_MIN + i,
  );
  return numbers.map((number) => {
    const desc = Buffer.alloc(64);
    callOnTask(tid, "ptrace", PTRACE_GET_THREAD_AREA, tid, number, desc);
    return readUserDesc(desc);
  });
}

function cloneThreads(task: RestoreTask): void {
  const others = task.threads.slice(1);
  for (let at = 0; at < others.length; at += CLONES_A_BATCH) {
    const some = others.slice(at, at + CLONES_A_BATCH);
    const batch = new Batch();
    for (const { tid, info } of some) {
      const clearTid = info.clear_tid_addr === 0n ? 0 : CLONE_CHILD_CLEARTID;
      const setTid = batch.bytes(new Uint8Array(new Int32Array([tid, 0, 0, 0]).buffer));
      const args = batch.bytes(
        cloneArgs.pack({
          flags: BigInt(THREAD_FLAGS | clearTid),
          child_tid: info.clear_tid_addr,
          tls: info.gpregs.fs_base,
          set_tid_size: 1n,
        }),
      );
      batch.pointer(args, cloneArgs.offsets.set_tid, setTid);
      batch.call("clone3", [args, 80], { childStopped: true });
    }
    task.run(batch);
    for (const thread of some) {
      thread.tracee = Tracee.adopt(thread.tid);
      thread.tracee.waitForInterrupt(STOP_TIMEOUT_US);
    }
  }
}

export const thread: Kind = {
  name: "thread",

  dumpThread(thread, batch) {
    const comm = thread.status.name;
    const clearTid = batch.room(8);
    batch.call("prctl", [PR_GET_TID_ADDRESS, clearTid, 0, 0, 0]);
    const parentDeath = batch.room(4);
    batch.call("prctl", [PR_GET_PDEATHSIG, parentDeath, 0, 0, 0]);
    return () => {
      const robust = robustList(thread.tid);
      const rseq = rseqRegistration(thread.tracee);
      thread.info.clear_tid_addr = clearTid.bytes.readBigUInt64LE(0);
      thread.info.tls = tlsSegments(thread.tid);
      thread.core.futex_rla = robust.address;
      thread.core.futex_rla_len = robust.length;
      thread.core.comm = comm;
      thread.core.pdeath_sig = parentDeath.bytes.readUInt32LE(0) || undefined;
      if (rseq.address !== 0n) {
        thread.core.rseq_entry = {
          rseq_abi_pointer: rseq.address,
          rseq_abi_size: rseq.size,
          signature: rseq.signature,
          ...(rseq.section === 0n ? {} : { rseq_cs_pointer: rseq.section }),
        };
      }
      if (!thread.isLeader) return;
      Object.assign(thread.task.core, { comm, exit_code: 0, flags: thread.proc.stat().flags });
    };
  },

  restoreTask: {
    check(task) {
      for (const { tid } of task.threads.slice(1)) {
        if (new ProcPid(tid).exists()) throw idTaken(`thread id ${tid}`, tid);
      }
    },
    threads: cloneThreads,
  },

  restoreThread: {
    thread(thread, batch) {
      const { core, info, task } = thread;
      if (thread.isLeader) batch.call("set_tid_address", [info.clear_tid_addr]);
      if (core.futex_rla_len > 0) batch.call("set_robust_list", [core.futex_rla, core.futex_rla_len]);
      const rseq = core.rseq_entry;
      if (rseq && rseq.rseq_abi_pointer !== 0n) {
        batch.call("rseq", [rseq.rseq_abi_pointer, rseq.rseq_abi_size, 0, rseq.signature]);
      }
      batch.call("prctl", [PR_SET_NAME, batch.text(core.comm ?? task.core.comm), 0, 0, 0]);
    },
    // After the credentials, whose change resets it; the seed asked to end with the host.
    arm(thread, batch) {
      batch.call("prctl", [PR_SET_PDEATHSIG, thread.core.pdeath_sig ?? 0, 0, 0, 0]);
    },
  },
};
