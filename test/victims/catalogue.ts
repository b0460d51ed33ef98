/**
 * All victims: what each holds while it waits, and what it checks afterwards. A victim is a program and its
 * arguments, so that one source can serve several closely related features.
 */

export type Area =
  | "memory"
  | "threads"
  | "signals"
  | "waiting"
  | "timers"
  | "attributes"
  | "files"
  | "refused"
  | "hostile";

export interface VictimEntry {
  name: string;
  area: Area;
  /** One line: what it holds and what it checks. */
  checks: string;
  /** File in test/victims; NAME.c when not given. */
  source?: string;
  args?: string[];
  /** Linked without shared libraries. */
  static?: boolean;
  /** State letters of /proc/PID/stat in which it waits; "S" when not given. */
  states?: string;
  /** What tells it to go; SIGTERM when not given. */
  goSignals?: NodeJS.Signals[];
  /** It ends without being told to. */
  endsBySelf?: boolean;
  /** A dump has to be refused, with a message like this. */
  refusedAs?: RegExp;
}

type Row = string | Omit<VictimEntry, "name" | "area">;

function inArea(area: Area, rows: Record<string, Row>): VictimEntry[] {
  return Object.entries(rows).map(([name, row]) => ({
    name,
    area,
    ...(typeof row === "string" ? { checks: row } : row),
  }));
}

const memory = inArea("memory", {
  counter: { states: "R", checks: "a busy loop that only counts goes on counting" },
  "counter-static": { source: "counter.c", static: true, states: "R", checks: "without shared libraries" },
  "anon-private": "private anonymous mappings of each protection: content and protection",
  "anon-shared": "two mappings of one shared anonymous object stay one",
  "file-private": "an untouched private file mapping still maps that file at its offset",
  "file-shared": "writes through a shared file mapping reach the file, and the other way",
  "file-cow": "written pages of a private file mapping stay private, the others come from the file",
  "file-deleted": "private and shared mappings of a file that has no name any more",
  "prot-none": "content under PROT_NONE is there when access is given back",
  "heap-grows": "the break is where it was, and the heap grows on from there",
});

export const victims: VictimEntry[] = [...memory];
