/** What people ask first of the processes of a checkpoint, as plain data. */

import { PE_LAZY, PE_PARENT, PE_PRESENT } from "../images/pagemap-entry.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { MAPPING_KINDS, type MappingKind } from "./mapping.ts";
import { Process, type ProcessState } from "./process.ts";

/** Mappings of one kind, and bytes of addresses that they take. */
export interface MappingSummary {
  kind: MappingKind;
  count: number;
  size: number;
}

/** Pages of a process that its own pagemap lists; shared memory is listed elsewhere. */
export interface PageSummary {
  stored: number;
  inParent: number;
  lazy: number;
}

export interface ProcessSummary {
  pid: number;
  parentPid: number;
  group: number;
  session: number;
  name: string;
  state: ProcessState;
  /** Real, effective, saved and file system user; absent for a zombie. */
  uids?: [number, number, number, number];
  gids?: [number, number, number, number];
  threads: { tid: number; name: string }[];
  /** Absent for a zombie, as is what follows. */
  executable?: string;
  /** Empty where their memory is not in the images. */
  arguments?: string[];
  workingDirectory?: string;
  root?: string;
  mappings?: MappingSummary[];
  pages?: PageSummary;
  descriptors?: { fd: number; type: string; text: string; closeOnExec: boolean }[];
}

function summarizeMappings({ mappings }: Process): MappingSummary[] {
  const sums = new Map<MappingKind, MappingSummary>();
  for (const { kind, size } of mappings) {
    const sum = sums.get(kind) ?? { kind, count: 0, size: 0 };
    sum.count++;
    sum.size += Number(size);
    sums.set(kind, sum);
  }
  return MAPPING_KINDS.flatMap((kind) => sums.get(kind) ?? []);
}

function summarizePages(checkpoint: Checkpoint, pid: number): PageSummary {
  const summary = { stored: 0, inParent: 0, lazy: 0 };
  const name = { kind: "PAGEMAP", id: pid } as const;
  if (!checkpoint.has(name)) return summary;
  const index = checkpoint.pageIndex(name);
  for (let at = 0; at < index.length; at++) {
    const { count, flags } = index.run(at);
    if (flags & PE_PRESENT) summary.stored += count;
    else if (flags & PE_PARENT) summary.inParent += count;
    else if (flags & PE_LAZY) summary.lazy += count;
  }
  return summary;
}

/** @throws ImageError where an image of the process is missing or damaged */
export function summarize({ entry }: Process, checkpoint: Checkpoint): ProcessSummary {
  // One that is forgotten with all that it has read: there may be thousands.
  const process = new Process(entry, checkpoint);
  const { pid, core } = process;
  const creds = core.thread_core?.creds;
  const summary: ProcessSummary = {
    pid,
    parentPid: process.parentPid,
    group: entry.pgid,
    session: entry.sid,
    name: process.name,
    state: process.state,
    ...(creds && {
      uids: [creds.uid, creds.euid, creds.suid, creds.fsuid],
      gids: [creds.gid, creds.egid, creds.sgid, creds.fsgid],
    }),
    threads: process.threads.map(({ tid, name }) => ({ tid, name })),
  };
  if (!process.hasResources) return summary;
  return {
    ...summary,
    executable: process.executable,
    arguments: process.arguments,
    workingDirectory: process.workingDirectory,
    root: process.root,
    mappings: summarizeMappings(process),
    pages: summarizePages(checkpoint, pid),
    descriptors: process.descriptors.map(({ fd, type, text, closeOnExec }) => ({
      fd,
      type,
      text,
      closeOnExec,
    })),
  };
}
