/** All verbs, each loaded when it is asked for and not before. */
import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

export interface Verb {
  /** One line for the list of verbs. */
  summary: string;
  load(): Promise<(terminal: Terminal) => Command>;
}

export const VERBS: Record<string, Verb> = {
  dump: {
    summary: "freeze a process, write its checkpoint, and end it unless told otherwise",
    load: async () => (await import("./dump.ts")).dumpCommand,
  },
  restore: {
    summary: "bring a process back from its checkpoint",
    load: async () => (await import("./restore.ts")).restoreCommand,
  },
  check: {
    summary: "tell what this machine can do and what it cannot",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  show: {
    summary: "show the processes of a checkpoint, or the records of an image",
    load: async () => (await import("./show.ts")).showCommand,
  },
  info: {
    summary: "tell what a checkpoint or an image is and what it takes",
    load: async () => (await import("./info.ts")).infoCommand,
  },
  x: {
    summary: "explore a checkpoint as crit does: processes, files, memory, sockets",
    load: async () => (await import("./x.ts")).xCommand,
  },
  validate: {
    summary: "check that a checkpoint is whole and fits together",
    load: async () => (await import("./validate.ts")).validateCommand,
  },
  core: {
    summary: "write a process of a checkpoint as an ELF core file, for debuggers",
    load: async () => (await import("./core.ts")).coreCommand,
  },
  store: {
    summary: "check, clear up or measure a page store that checkpoints share",
    load: async () => (await import("./store.ts")).storeCommand,
  },
  decode: {
    summary: "print an image file as JSON, as crit does",
    load: async () => (await import("./decode.ts")).decodeCommand,
  },
  encode: {
    summary: "make an image file from JSON",
    load: async () => (await import("./encode.ts")).encodeCommand,
  },
  mem: {
    summary: "list, hexdump and extract the memory of a checkpoint",
    load: async () => (await import("./mem.ts")).memCommand,
  },
  search: {
    summary: "find text, bytes or a regular expression in the memory of a checkpoint",
    load: async () => (await import("./search.ts")).searchCommand,
  },
  scrub: {
    summary: "write a copy of a checkpoint without what a pattern finds in its memory",
    load: async () => (await import("./scrub.ts")).scrubCommand,
  },
  convert: {
    summary: "write a checkpoint in the other format",
    load: async () => (await import("./convert.ts")).convertCommand,
  },
  squash: {
    summary: "make one checkpoint of an incremental one and its parents",
    load: async () => (await import("./squash.ts")).squashCommand,
  },
  diff: {
    summary: "tell what is different between two checkpoints",
    load: async () => (await import("./diff.ts")).diffCommand,
  },
  rewrite: {
    summary: "write a checkpoint with other paths, addresses, pids and the like",
    load: async () => (await import("./rewrite.ts")).rewriteCommand,
  },
  view: {
    summary: "show a checkpoint in a browser",
    load: async () => (await import("./view.ts")).viewCommand,
  },
  preflight: {
    summary: "tell what a restore of a checkpoint would meet on a machine",
    load: async () => (await import("./preflight.ts")).preflightCommand,
  },
  compress: {
    summary: "write a checkpoint in CRIU's format with its pages compressed",
    load: async () => (await import("./compress.ts")).compressCommand,
  },
  decompress: {
    summary: "write a checkpoint in CRIU's format with its pages as they are",
    load: async () => (await import("./compress.ts")).decompressCommand,
  },
  bench: {
    summary: "measure what a checkpoint takes in each format",
    load: async () => (await import("./bench.ts")).benchCommand,
  },
  dedup: {
    summary: "give back pages of earlier checkpoints that a later one has anew",
    load: async () => (await import("./dedup.ts")).dedupCommand,
  },
};

/** Thrown by a verb that has been asked a question, and whose answer, which is printed, is no. */
export class NegativeAnswer extends Error {}

/** Verbs of CRIU that do not exist here. */
export const NOT_YET = ["pre-dump", "page-server", "service", "swrk", "lazy-pages", "cpuinfo", "exec"];
