/** Who gets the signals of an open file (F_SETOWN, F_SETOWN_EX), and which (F_SETSIG). */

import type { Answers } from "../../engine/kind.ts";
import type { RestoreTask } from "../../engine/restore-task.ts";
import type { FileEntry, FownEntry } from "../../generated/messages.ts";
import {
  F_GETOWN_EX,
  F_GETOWNER_UIDS,
  F_GETSIG,
  F_SETOWN_EX,
  F_SETSIG,
  fOwnerEx,
} from "../../kernel/abi/fcntl.ts";
import type { Batch } from "../../remote/batch.ts";

/** What a file has for which nobody asked. */
export const NO_OWNER: FownEntry = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };

/** Queues the questions; the returned function fills in `owner`. */
export function askOwner(batch: Batch, fd: number, owner: FownEntry): Answers {
  const who = batch.room(fOwnerEx.size);
  const ids = batch.room(8);
  batch.call("fcntl", [fd, F_GETOWN_EX, who]);
  const signal = batch.call("fcntl", [fd, F_GETSIG, 0]);
  const uids = batch.call("fcntl", [fd, F_GETOWNER_UIDS, ids], { mayFail: true });
  return () => {
    const { type, pid } = fOwnerEx.read(who.bytes);
    owner.signum = signal.result;
    if (pid === 0) return;
    owner.pid = pid;
    owner.pid_type = type;
    if (uids.failed) return;
    owner.uid = ids.bytes.readUInt32LE(0);
    owner.euid = ids.bytes.readUInt32LE(4);
  };
}

/** The owner part of an entry, which stands at the same place in whatever kind of file has one. */
export function ownerOf(entry: FileEntry): FownEntry | undefined {
  return entry.reg?.fown ?? entry.memfd?.fown ?? entry.tty?.fown;
}

/**
 * Queues what restores the owner of a descriptor. The kernel notes the caller's ids with it, against which it
 * later checks whether a signal may be sent; saved ids of 0 bring the privileges back.
 */
export function restoreOwner(task: RestoreTask, batch: Batch, fd: number, owner: FownEntry): Answers {
  if (owner.signum !== 0) batch.call("fcntl", [fd, F_SETSIG, owner.signum]);
  if (owner.pid === 0) return;
  const who = batch.bytes(fOwnerEx.pack({ type: owner.pid_type, pid: owner.pid }));
  const isRoot = owner.uid === 0 && owner.euid === 0;
  if (!isRoot) batch.call("setresuid", [owner.uid, owner.euid, 0]);
  const set = batch.call("fcntl", [fd, F_SETOWN_EX, who], { mayFail: true });
  if (!isRoot) batch.call("setresuid", [0, 0, 0]);
  return () => {
    if (set.failed) task.context.warn(`fd ${fd}: its signals went to pid ${owner.pid}, which is not there`);
  };
}
