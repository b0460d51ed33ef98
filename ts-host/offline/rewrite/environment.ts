/** What is around processes: cgroups, host name, names of external resources, limits. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import type { CgMemberEntry, CgroupDirEntry } from "../../generated/messages.ts";
import { imageFileName } from "../../images/framing.ts";
import { text } from "../../images/json/to-json.ts";
import * as resource from "../../kernel/abi/resource.ts";
import { externalNames, WITH_NAMES } from "../external.ts";
import {
  bytesOf,
  type Note,
  on,
  onFiles,
  type Replacement,
  replacePrefix,
  type Transform,
} from "./transform.ts";

export function changeCgroup(replacement: Replacement): Transform {
  for (const path of [replacement.from, replacement.to])
    if (!path.startsWith("/")) throw new UsageError(`not a path of a cgroup: ${path}`);
  return {
    name: `cgroup ${replacement.from}=${replacement.to}`,
    image(name, records, note) {
      on("CGROUP", name, records, (cgroups) => {
        for (const [record, { message }] of cgroups.entries()) {
          for (const [set, { ctls }] of message.sets.entries()) {
            for (const [index, member] of ctls.entries())
              changeMember(member, replacement, `sets[${set}].ctls[${index}]`, record, note);
          }
          for (const [index, { dirs }] of message.controllers.entries()) {
            for (const [each, directory] of dirs.entries()) {
              const field = `controllers[${index}].dirs[${each}]`;
              const old = text(directory.dir_name);
              const path = replacePrefix(old, replacement);
              if (path === undefined) {
                changeBelow(directory, old === "/" ? "" : old, replacement, field, record, note);
              } else {
                note(record, `${field}.dir_name`, old, path);
                directory.dir_name = bytesOf(path);
              }
            }
          }
        }
      });
    },
  };
}

/** A task's cgroup. Its first `cgns_prefix` bytes are the root of the task's cgroup namespace. */
function changeMember(
  member: CgMemberEntry,
  replacement: Replacement,
  field: string,
  record: number,
  note: Note,
): void {
  const old = text(member.path);
  const path = replacePrefix(old, replacement);
  if (path === undefined) return;
  const { cgns_prefix: root = 0 } = member;
  if (root > 0) {
    const below = member.path.length - root;
    const isRootMoved = root >= bytesOf(replacement.from).length;
    const keepsRoot = path.startsWith(new TextDecoder().decode(member.path.subarray(0, root)));
    if (!isRootMoved && !keepsRoot) {
      throw new UnsupportedError(`${old} would leave the cgroup namespace of its task`, {
        file: "cgroup.img",
        record,
        field,
      });
    }
    if (isRootMoved) member.cgns_prefix = bytesOf(path).length - below;
  }
  note(record, `${field}.path`, old, path);
  member.path = bytesOf(path);
}

/** Directories below one that is described by its path have their names only, and move with it. */
function changeBelow(
  directory: CgroupDirEntry,
  path: string,
  replacement: Replacement,
  field: string,
  record: number,
  note: Note,
): void {
  for (const [index, child] of directory.children.entries()) {
    const old = text(child.dir_name);
    const inside = `${field}.children[${index}]`;
    const moved = replacePrefix(`${path}/${old}`, replacement);
    if (moved === undefined) {
      changeBelow(child, `${path}/${old}`, replacement, inside, record, note);
      continue;
    }
    const name = moved.slice(path.length + 1);
    if (!moved.startsWith(`${path}/`) || name.includes("/")) {
      throw new UnsupportedError(
        `${replacement.from} is described as a part of ${path || "/"}, and ${moved} is not one`,
        { file: "cgroup.img", record, field: inside },
      );
    }
    note(record, `${inside}.dir_name`, old, name);
    child.dir_name = bytesOf(name);
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

/** Names under which mounts, networks, pid namespaces and files outside are given to a restore. */
export function changeExternal({ from, to }: Replacement): Transform {
  return {
    name: `external ${from}=${to}`,
    check(checkpoint) {
      if (!externalNames(checkpoint).has(to)) return;
      throw new UnsupportedError(`another external resource of the checkpoint is called ${to}`);
    },
    image(name, records, note) {
      for (const kind of WITH_NAMES) {
        on(kind, name, records, (each) => {
          for (const [record, { message }] of each.entries()) {
            if (message.ext_key === undefined || text(message.ext_key) !== from) continue;
            note(record, "ext_key", from, to);
            message.ext_key = bytesOf(to);
          }
        });
      }
      onFiles(name, records, note, ({ reg }, noteFile) => {
        if (!reg?.ext || text(reg.name) !== from) return;
        noteFile("reg.name", from, to);
        reg.name = bytesOf(to);
      });
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
