/** Which memory of a checkpoint is meant: by process, by what a mapping is of, by its protection. */
import type { Checkpoint } from "./checkpoint.ts";
import type { Mapping, MappingKind } from "./mapping.ts";
import type { Process } from "./process.ts";

export interface Selection {
  /** All processes where it is not given. */
  pids?: readonly number[];
  kinds?: readonly MappingKind[];
  /** Letters that the mapping's protection has to have: "w", "rx", "s". */
  protection?: string;
}

export function isSelected(mapping: Mapping, { kinds, protection = "" }: Selection): boolean {
  if (mapping.kind === "guard") return false;
  if (kinds !== undefined && !kinds.includes(mapping.kind)) return false;
  return [...protection].every((letter) => mapping.protection.includes(letter));
}

/** @throws ImageError where a pid is not in the checkpoint */
export function selectedProcesses(checkpoint: Checkpoint, { pids }: Selection): Process[] {
  const processes = pids?.map((pid) => checkpoint.process(pid)) ?? checkpoint.processes;
  return processes.filter(({ hasResources }) => hasResources);
}
