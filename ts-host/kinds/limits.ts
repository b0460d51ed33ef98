/**
 * Resource limits: soft and hard, of the whole process. They are set when all that they limit is there: files
 * open, threads made, memory locked. Lowering is always allowed; a hard limit above the restoring process's own
 * takes CAP_SYS_RESOURCE.
 */
import type { Kind } from "../engine/kind.ts";
import type { RestoreTask } from "../engine/restore-task.ts";
import type { RlimitEntry } from "../generated/messages.ts";
import { CAP_SYS_RESOURCE } from "../kernel/abi/capability.ts";
import { RLIM_INFINITY, RLIMIT_NAMES, rlimit64 } from "../kernel/abi/resource.ts";
import type { Limit } from "../kernel/proc/limits.ts";
import { ProcPid } from "../kernel/process.ts";

/** The highest that each hard limit can be set to here. */
function ceilings(): bigint[] {
  const own = new ProcPid(process.pid);
  const mayRaise = (own.status().capEff >> BigInt(CAP_SYS_RESOURCE)) & 1n;
  return own.limits().map(({ hard }) => (mayRaise ? RLIM_INFINITY : hard));
}

const print = (limit: bigint) => (limit === RLIM_INFINITY ? "unlimited" : `${limit}`);

function check(task: RestoreTask): void {
  const highest = ceilings();
  task.core.rlimits?.rlimits.forEach(({ max }, resource) => {
    if (max <= highest[resource]!) return;
    task.concede(
      `the hard limit ${RLIMIT_NAMES[resource]} was ${print(max)} and can be ${print(highest[resource]!)} at most`,
    );
  });
}

const lower = (a: bigint, b: bigint) => (a < b ? a : b);

function within({ cur, max }: RlimitEntry, ceiling: bigint): Limit {
  const hard = lower(max, ceiling);
  return { soft: lower(cur, hard), hard };
}

export const limits: Kind = {
  name: "limits",

  dumpTask(task) {
    const known = task.proc.limits();
    return () => {
      task.core.rlimits = { rlimits: known.map(({ soft, hard }) => ({ cur: soft, max: hard })) };
    };
  },

  restoreTask: {
    check,
    // While it may still raise them: the credentials come after.
    credentials(task, batch) {
      const highest = ceilings();
      task.core.rlimits?.rlimits.forEach((entry, resource) => {
        const { soft, hard } = within(entry, highest[resource]!);
        const limit = batch.bytes(rlimit64.pack({ rlim_cur: soft, rlim_max: hard }));
        batch.call("prlimit64", [0, resource, limit, 0]);
      });
    },
  },
};
