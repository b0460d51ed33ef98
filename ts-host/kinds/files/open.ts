/** Opening, inside the task, what files.img describes. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { ImageError, UnsupportedError } from "../../errors.ts";
import { FdTypes } from "../../generated/messages.ts";
import { AT_FDCWD } from "../../kernel/abi/fcntl.ts";
import type { Batch, Op } from "../../remote/batch.ts";

/** Queues the opening of a file that is mapped or executed, with access O_RDONLY or O_RDWR; the op's result is the fd. */
export function openForMapping(task: RestoreTask, batch: Batch, id: number, access: number): Op {
  const entry = task.context.files.get(id);
  if (!entry) throw new ImageError(`no file has the id ${id}`, { file: "files.img" });
  if (entry.type !== FdTypes.REG || !entry.reg) {
    throw new UnsupportedError(`a mapped file of type ${entry.type}: not supported yet`, {
      file: "files.img",
    });
  }
  return batch.call("openat", [AT_FDCWD, batch.text(entry.reg.name), access, 0]);
}
