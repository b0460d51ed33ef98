/** Ids of processes and threads that a restore needs and others have. */
import { HostMismatchError } from "../errors.ts";
import { ProcPid } from "../kernel/process.ts";

/** `what` is the id in words, and `id` its number. */
export function idTaken(what: string, id: number): HostMismatchError {
  let holder = "";
  try {
    holder = ` by ${new ProcPid(id).comm().toString()}`;
  } catch {
    // Not listed: a session or process group still has the number.
  }
  return new HostMismatchError(`its ${what} is taken${holder}`, {
    hint: "end that process, or restore in another pid namespace",
  });
}
