/** What the verbs are called, and what each does in one line. */
export const SUMMARIES = {
  dump: "freeze a process, write its checkpoint, and end it unless told otherwise",
  restore: "bring a process back from its checkpoint",
  check: "tell what this machine can do and what it cannot",
  show: "show the processes of a checkpoint, or the records of an image",
  info: "tell what a checkpoint or an image is and what it takes",
  x: "explore a checkpoint as crit does: processes, files, memory, sockets",
  validate: "check that a checkpoint is whole and fits together",
  core: "write a process of a checkpoint as an ELF core file, for debuggers",
  store: "check, clear up or measure a page store that checkpoints share",
  decode: "print an image file as JSON, as crit does",
  encode: "make an image file from JSON",
  mem: "list, hexdump and extract the memory of a checkpoint",
  search: "find text, bytes or a regular expression in the memory of a checkpoint",
  scrub: "write a copy of a checkpoint without what a pattern finds in its memory",
  convert: "write a checkpoint in the other format",
  squash: "make one checkpoint of an incremental one and its parents",
  diff: "tell what is different between two checkpoints",
  rewrite: "write a checkpoint with other paths, addresses, pids and the like",
  view: "show a checkpoint in a browser",
  preflight: "tell what a restore of a checkpoint would meet on a machine",
  compress: "write a checkpoint in CRIU's format with its pages compressed",
  decompress: "write a checkpoint in CRIU's format with its pages as they are",
  bench: "measure what a checkpoint takes in each format",
  dedup: "give back pages of earlier checkpoints that a later one has anew",
};

export type VerbName = keyof typeof SUMMARIES;

export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(SUMMARIES, name);
}

/** The verbs that have a script for themselves, as the smaller it is, the sooner they begin; `other` has all others. */
export const SCRIPTS = {
  quick: ["dump", "restore"],
  look: ["show", "info", "x", "validate", "core", "mem", "search", "diff"],
  image: ["decode", "encode"],
} as const satisfies Record<string, readonly VerbName[]>;

export type ScriptName = keyof typeof SCRIPTS | "other";

/** The verbs that a script has. */
export type VerbOf<Script extends keyof typeof SCRIPTS> = (typeof SCRIPTS)[Script][number];

/** The script that has the verb; `other` for what is none. */
export function scriptOf(name: string): ScriptName {
  for (const [script, verbs] of Object.entries(SCRIPTS))
    if (verbs.some((verb) => verb === name)) return script as ScriptName;
  return "other";
}

/** Verbs of CRIU that do not exist here. */
export const NOT_YET = ["pre-dump", "page-server", "service", "swrk", "lazy-pages", "cpuinfo", "exec"];

/** The verb comes first; CRIU takes options before it, so it may also be the first word that is one. */
export function splitVerb(args: readonly string[]): { name: string | undefined; rest: string[] } {
  const at = args[0]?.startsWith("-") ? args.findIndex((arg) => isVerb(arg) || NOT_YET.includes(arg)) : 0;
  return { name: args[at], rest: args.filter((_, index) => index !== at) };
}

export function asksForHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}
