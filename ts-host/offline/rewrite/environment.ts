/** What is around processes: cgroups, host name, names of external resources, limits. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import type { CgroupDirEntry } from "../../generated/messages.ts";
import { imageFileName } from "../../images/framing.ts";
import { text } from "../../images/json/to-json.ts";
import * as resource from "../../kernel/abi/resource.ts";
import { bytesOf, type Note, on, type Replacement, replacePrefix, type Transform } from "./transform.ts";

export function changeCgroup(replacement: Replacement): Transform {
  return {
    name: `cgroup ${replacement.from}=${replacement.to}`,
    image(name, records, note) {
      on("CGROUP", name, records, (cgroups) => {
        for (const [record, { message }] of cgroups.entries()) {
          for (const [set, { ctls }] of message.sets.entries()) {
            for (const [index, member] of ctls.entries()) {
              const path = replacePrefix(text(member.path), replacement);
              if (path === undefined) continue;
              note(record, `sets[${set}].ctls[${index}].path`, text(member.path), path);
              member.path = bytesOf(path);
            }
          }
          for (const [index, { dirs }] of message.controllers.entries()) {
            for (const directory of dirs)
              changeDirectory(directory, replacement, record, `controllers[${index}].dirs`, note);
          }
        }
      });
    },
  };
}

/** Directories that are described by their path from the root of the hierarchy; what is below moves with them. */
function changeDirectory(
  directory: CgroupDirEntry,
  replacement: Replacement,
  record: number,
  field: string,
  note: Note,
): void {
  const old = text(directory.dir_name);
  const path = replacePrefix(old, replacement);
  if (path !== undefined) {
    note(record, `${field}.dir_name`, old, path);
    directory.dir_name = bytesOf(path);
  } else if (replacement.from.startsWith(`${old}/`) && directory.children.length > 0) {
    throw new UnsupportedError(
      `${replacement.from} is described as a part of ${old}, which has other parts`,
      {
        file: "cgroup.img",
        record,
      },
    );
  }
}

const LONGEST_HOSTNAME = 64;

export function changeHostname(hostname: string): Transform {
  if (bytesOf(hostname).length > LONGEST_HOSTNAME)
    throw new UsageError(`longer than ${LONGEST_HOSTNAME} bytes: ${hostname}`);
  return {
    name: `hostname ${hostname}`,
    check(checkpoint) {
      if (checkpoint.list().some(({ kind }) => kind === "UTSNS")) return;
      throw new UnsupportedError("the processes share the name of the host, it is not theirs to change");
    },
    image(name, records, note) {
      on("UTSNS", name, records, ([first]) => {
        if (first === undefined) return;
        note(0, "nodename", text(first.message.nodename), hostname);
        first.message.nodename = bytesOf(hostname);
      });
    },
  };
}

/** Names under which mounts, networks and pid namespaces outside are given to a restore. */
export function changeExternal({ from, to }: Replacement): Transform {
  const rename = (message: { ext_key?: Uint8Array }, record: number, note: Note): void => {
    if (message.ext_key === undefined || text(message.ext_key) !== from) return;
    note(record, "ext_key", from, to);
    message.ext_key = bytesOf(to);
  };
  return {
    name: `external ${from}=${to}`,
    image(name, records, note) {
      for (const kind of ["MNTS", "NETNS", "PIDNS"] as const) {
        on(kind, name, records, (each) => {
          for (const [record, { message }] of each.entries()) rename(message, record, note);
        });
      }
    },
  };
}

/** Limits by their names in lower case, without RLIMIT_. */
const LIMITS = new Map(
  Object.entries(resource).flatMap(([name, value]): [string, number][] =>
    name.startsWith("RLIMIT_") && typeof value === "number"
      ? [[name.slice("RLIMIT_".length).toLowerCase(), value]]
      : [],
  ),
);
const UNLIMITED = 2n ** 64n - 1n;

function limitValue(value: string): bigint {
  if (value === "unlimited") return UNLIMITED;
  if (!/^\d+$/.test(value)) throw new UsageError(`not a limit: ${value}`);
  return BigInt(value);
}

function shownLimit(value: bigint): string {
  return value === UNLIMITED ? "unlimited" : `${value}`;
}

/** `nofile=1024:4096`: the soft and the hard limit of all processes; without a colon, both. */
export function changeLimit({ from: name, to: values }: Replacement): Transform {
  const index = LIMITS.get(name.toLowerCase());
  if (index === undefined)
    throw new UsageError(`no limit is called ${name}`, { hint: [...LIMITS.keys()].join(", ") });
  const [soft, hard] = values.split(":").map(limitValue);
  const limit = { cur: soft, max: hard ?? soft };
  if (limit.cur > limit.max) throw new UsageError(`${name}: the soft limit is above the hard one`);
  return {
    name: `limit ${name}=${values}`,
    check(checkpoint) {
      for (const process of checkpoint.processes.filter(({ hasResources }) => hasResources)) {
        const context = { pid: process.pid, file: imageFileName({ kind: "CORE", id: process.pid }) };
        if (process.core.tc?.rlimits?.rlimits[index] === undefined) {
          throw new UnsupportedError("the image of the process has no limits", context);
        }
        const highest = Math.max(-1, ...process.descriptors.map(({ fd }) => fd));
        if (name.toLowerCase() === "nofile" && BigInt(highest) >= limit.cur) {
          throw new UnsupportedError(
            `descriptor ${highest} is open, above the limit of ${limit.cur}`,
            context,
          );
        }
      }
    },
    image(image, records, note) {
      on("CORE", image, records, ([first]) => {
        const old = first?.message.tc?.rlimits?.rlimits[index];
        if (old === undefined || (old.cur === limit.cur && old.max === limit.max)) return;
        note(
          0,
          `tc.rlimits.rlimits[${index}]`,
          `${shownLimit(old.cur)}:${shownLimit(old.max)}`,
          `${shownLimit(limit.cur)}:${shownLimit(limit.max)}`,
        );
        Object.assign(old, limit);
      });
    },
  };
}
