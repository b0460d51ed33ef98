/** Giving the task a descriptor of this process, so that both have the same open file. */
import { F_DUPFD, F_DUPFD_CLOEXEC } from "../../kernel/abi/fcntl.ts";
import type { Batch, Op } from "../../remote/batch.ts";

/** Queues it; the op's result is the lowest number that is free in the task. `close` is O_CLOEXEC or 0. */
export function handOver(batch: Batch, fd: number, close: number): Op {
  const host = batch.call("pidfd_open", [process.pid, 0]);
  const taken = batch.call("pidfd_getfd", [host, fd, 0]);
  batch.call("close", [host]);
  const lowest = batch.call("fcntl", [taken, close ? F_DUPFD_CLOEXEC : F_DUPFD, 0]);
  batch.call("close", [taken]);
  return lowest;
}
