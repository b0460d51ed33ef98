/**
 * What the page asks of its worker, and the answers, as plain data. The worker has the checkpoint, the page shows
 * it. Addresses are hexadecimal text: they are only shown, and sent back.
 */

/** Files that were chosen or dropped, with their paths. */
export type NamedFile = readonly [path: string, file: Blob];

/** Where a checkpoint comes from: files, or the server of `criu-wasm view`. */
export type Origin = { files: readonly NamedFile[] } | { url: string };

export interface Asks {
  open: { ask: Origin; answer: Overview };
  process: { ask: { pid: number }; answer: ProcessView };
  descriptors: { ask: { pid: number }; answer: DescriptorView[] };
  hexdump: { ask: { pid: number; address: string; rows: number }; answer: HexView };
  search: { ask: { pid?: number; mode: SearchMode; pattern: string }; answer: SearchView };
  validate: { ask: Record<string, never>; answer: FindingView[] };
  diff: { ask: Origin; answer: DiffView[] };
}

export type Question = keyof Asks;
export type SearchMode = "text" | "utf16" | "hex" | "regex";

/** A question, or that the answer to one is not wanted any more. */
export type Request = { id: number; question: Question; ask: unknown } | { id: number; stop: true };

/** An answer, an error, or how far the work is, from 0 to 1. */
export type Reply =
  | { id: number; answer: unknown }
  | { id: number; error: string }
  | { id: number; progress: number };

export interface Overview {
  location: string;
  format: "native" | "criu";
  generations: number;
  processes: ProcessLine[];
}

export interface ProcessLine {
  pid: number;
  parentPid: number;
  name: string;
  state: string;
  threads: number;
  /** Bytes that are stored of its memory. */
  stored: number;
}

/** What the pages of a mapping are. */
export type PageKind = "stored" | "shared" | "duplicate" | "zero" | "parent" | "outside";

export interface MappingView {
  start: string;
  end: string;
  kind: string;
  protection: string;
  name: string;
  pages: number;
  /** Runs of pages, in order. */
  runs: [pages: number, kind: PageKind][];
}

/** Descriptors of processes: how many, and the first of them. */
export interface OwnersView {
  count: number;
  first: readonly { pid: number; fd: number }[];
}

export interface DescriptorView {
  fd: number;
  type: string;
  text: string;
  closeOnExec: boolean;
  /** Other descriptors that are the same open file. */
  sharedWith: OwnersView;
  /** The descriptors that have the other end of a socket or pipe. */
  peers: OwnersView;
}

export interface ThreadView {
  tid: number;
  name: string;
  architecture: string;
  blocked: string;
  /** Signals that are pending for it alone. */
  pending: string;
  registers: RegisterView[];
}

export interface RegisterView {
  name: string;
  value: string;
  /** It is an address that is mapped. */
  isMapped: boolean;
}

/** What a process does about a signal, where that is not the default. */
export interface ActionView {
  signal: string;
  /** Address of the handler; absent: the signal is ignored. */
  handler?: string;
  flags: string;
  blocked: string;
}

export interface ProcessView {
  pid: number;
  name: string;
  executable: string;
  workingDirectory: string;
  root: string;
  arguments: string[];
  environment: string[];
  /** Signals that are pending for the whole process. */
  pending: string[];
  actions: ActionView[];
  mappings: MappingView[];
  threads: ThreadView[];
}

export interface HexRow {
  address: string;
  /** The line as hexdump -C has it; absent where the bytes are not in the images. */
  line?: string;
  missing?: string;
}

export interface HexView {
  rows: HexRow[];
  /** What is mapped at the first row. */
  mapping: string;
}

export interface SearchView {
  matches: { pid: number; address: string; line: string; mapping: string }[];
  /** There are more than are given. */
  isCut: boolean;
}

export interface FindingView {
  severity: "error" | "warning";
  text: string;
}

export interface DiffView {
  pid: number;
  name: string;
  is: "added" | "removed" | "kept";
  changes: { what: string; before?: string; after?: string }[];
  memory: { mapping: string; changed: number; added: number; first: string }[];
  compared: number;
}
