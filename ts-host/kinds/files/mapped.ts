/** Files that are mapped or executed, which need not be open under any descriptor. */
import { readlinkSync, type Stats, statSync } from "node:fs";
import type { DumpTask } from "../../engine/dump-task.ts";
import { UnsupportedError } from "../../errors.ts";
import type { SmapsVma } from "../../kernel/proc/smaps.ts";
import { registerPath } from "./regular.ts";

export interface MappedFile {
  /** Id in files.img. */
  id: number;
  isMemfd: boolean;
}

/** Device number 1:5, whose private mappings are anonymous memory. */
const DEV_ZERO = (1 << 8) | 5;

function refuse(mapping: SmapsVma, what: string): never {
  throw new UnsupportedError(`a mapping of ${what}: not supported yet`, { file: mapping.path.toString() });
}

/** Registers the file behind a mapping, to be opened with `access` (O_RDONLY or O_RDWR). */
export function registerMappedFile(
  task: DumpTask,
  mapping: SmapsVma,
  access: number,
): MappedFile | "anonymous" {
  const link = `/proc/${task.pid}/map_files/${mapping.start.toString(16)}-${mapping.end.toString(16)}`;
  const stat: Stats = statSync(link);
  if (stat.isCharacterDevice() && stat.rdev === DEV_ZERO && !mapping.shared) return "anonymous";
  if (!stat.isFile()) refuse(mapping, "a device");
  const path = readlinkSync(link, { encoding: "buffer" });
  if (path.toString().startsWith("/memfd:")) refuse(mapping, "a memfd");
  return { id: registerPath(task, path, stat, access), isMemfd: false };
}

/** Registers the program that the task runs. */
export function registerExecutable(task: DumpTask): number {
  const link = `/proc/${task.pid}/exe`;
  return registerPath(task, readlinkSync(link, { encoding: "buffer" }), statSync(link), 0);
}
