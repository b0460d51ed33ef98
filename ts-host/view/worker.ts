/** The worker of the viewer: has the checkpoint open and answers the page. */
import { CriuWasmError, describe } from "../errors.ts";
import {
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_SIGINFO,
  SIG_DFL,
  SIG_IGN,
  signalName,
} from "../kernel/abi/signal.ts";
import { actionOf } from "../kinds/signal-actions.ts";
import { openFiles } from "../offline/browser-files.ts";
import { Checkpoint } from "../offline/checkpoint.ts";
import { type Change, diff, isDifferent, type ProcessDiff } from "../offline/diff.ts";
import { hexdumpRows, hexLine } from "../offline/hexdump.ts";
import type { Mapping } from "../offline/mapping.ts";
import type { Piece } from "../offline/memory.ts";
import type { Process, Thread } from "../offline/process.ts";
import {
  expressionPattern,
  hexPattern,
  type Pattern,
  search,
  textPattern,
  utf16Pattern,
} from "../offline/search/index.ts";
import { OpenFiles, type Owner } from "../offline/sharing.ts";
import { describeFinding, validateInSteps } from "../offline/validate/index.ts";
import type {
  ActionView,
  Asks,
  DescriptorView,
  DiffView,
  MappingView,
  Origin,
  OwnersView,
  PageKind,
  ProcessView,
  Question,
  Reply,
  Request,
  SearchMode,
  ThreadView,
} from "./protocol.ts";
import { RemoteSource } from "./remote-source.ts";

/** Matches, and findings, that the page is given at most. */
const MOST_MATCHES = 1000;
const MOST_FINDINGS = 2000;
/** Descriptors that are named of those that share a file. */
const MOST_OWNERS = 12;
/** How long the worker is at one question before it looks whether there are others. */
const SLICE_MS = 50;
/** Runs of pages of one mapping that are given; above that they are put together. */
const MOST_RUNS = 2000;
const PAGE = 4096n;
/** Pages of a process of which it is remembered where they lie; duplicates among more are not told. */
const MOST_PLACES = 500_000;

let opened: Checkpoint | undefined;

function checkpoint(): Checkpoint {
  if (opened === undefined) throw new CriuWasmError("no checkpoint is open");
  return opened;
}

async function openOrigin(origin: Origin): Promise<Checkpoint> {
  if ("url" in origin) return Checkpoint.open(new RemoteSource(origin.url));
  return openFiles(origin.files as [string, File][]);
}

const hex = (value: bigint) => value.toString(16);

function storedBytes(process: Process): number {
  const name = { kind: "PAGEMAP", id: process.pid } as const;
  return checkpoint().has(name) ? checkpoint().pageIndex(name).pages * 4096 : 0;
}

function generationsOf(first: Checkpoint): number {
  let count = 1;
  for (let parent = first.parent; parent !== undefined && count < 100; parent = parent.parent) count++;
  return count;
}

async function open(origin: Origin): Promise<Asks["open"]["answer"]> {
  const young = await openOrigin(origin);
  // What is asked of the old one is answered no more.
  for (const question of working) unwanted.add(question);
  opened?.close();
  opened = young;
  files = undefined;
  const processes = young.processes.map((process) => {
    const { pid, parentPid, name, state, tids } = process;
    return { pid, parentPid, name, state, threads: tids.length, stored: storedBytes(process) };
  });
  return { location: young.location, format: young.format, generations: generationsOf(young), processes };
}

/** Kinds of the pages of a piece; those that lie where others of the process lie are duplicates. */
function* kindsOf({ mapping, start, end, content }: Piece, seen: Set<string>): Generator<[number, PageKind]> {
  const pages = Number((end - start) / PAGE);
  if (content.is !== "stored") {
    yield [pages, content.is];
    return;
  }
  if (content.generation > 0) {
    yield [pages, "parent"];
    return;
  }
  const plain: PageKind = mapping.isShared ? "shared" : "stored";
  const source = content.checkpoint.pages(content.pagesId);
  if (source.places === undefined || seen.size > MOST_PLACES) {
    yield [pages, plain];
    return;
  }
  for (const places = source.places(content.first, pages); places.count > 0; places.skip(places.count)) {
    const { count, pack, page } = places;
    if (pack === undefined) {
      yield [count, "zero"];
      continue;
    }
    for (let index = 0; index < count; index++) {
      const place = `${pack} ${page + index}`;
      yield [1, seen.has(place) ? "duplicate" : plain];
      seen.add(place);
    }
  }
}

function viewMapping(process: Process, mapping: Mapping, seen: Set<string>): MappingView {
  const runs: [number, PageKind][] = [];
  for (const piece of process.memory.piecesOf(mapping)) {
    for (const [pages, kind] of kindsOf(piece, seen)) {
      const last = runs.at(-1);
      if (last !== undefined && (last[1] === kind || runs.length >= MOST_RUNS)) last[0] += pages;
      else runs.push([pages, kind]);
    }
  }
  const { start, end, kind, protection, name, size } = mapping;
  return { start: hex(start), end: hex(end), kind, protection, name, pages: Number(size / PAGE), runs };
}

let files: OpenFiles | undefined;

function viewOwners(owners: readonly Owner[]): OwnersView {
  return { count: owners.length, first: owners.slice(0, MOST_OWNERS) };
}

function viewDescriptors({ pid }: { pid: number }): DescriptorView[] {
  const process = checkpoint().process(pid);
  files ??= new OpenFiles(checkpoint());
  const open = files;
  return process.descriptors.map(({ fd, type, text, closeOnExec, file }) => ({
    fd,
    type,
    text,
    closeOnExec,
    sharedWith: viewOwners(
      open.ownersOf(file).filter((owner) => owner.pid !== process.pid || owner.fd !== fd),
    ),
    peers: viewOwners(open.peersOf(file).flatMap((peer) => open.ownersOf(peer))),
  }));
}

function signalsIn(mask: bigint): string {
  const names: string[] = [];
  for (let signal = 1; signal <= 64; signal++)
    if (mask & (1n << BigInt(signal - 1))) names.push(signalName(signal));
  return names.join(" ");
}

/** Name of the signal that a siginfo is of. */
function signalOf({ siginfo }: { siginfo: Uint8Array }): string {
  return siginfo.length < 4
    ? "?"
    : signalName(new DataView(siginfo.buffer, siginfo.byteOffset).getInt32(0, true));
}

const ACTION_FLAGS: [string, number][] = [
  ["SA_NOCLDSTOP", SA_NOCLDSTOP],
  ["SA_NOCLDWAIT", SA_NOCLDWAIT],
  ["SA_SIGINFO", SA_SIGINFO],
  ["SA_ONSTACK", SA_ONSTACK],
  ["SA_RESTART", SA_RESTART],
  ["SA_NODEFER", SA_NODEFER],
  ["SA_RESETHAND", SA_RESETHAND],
];

/** Images of before CRIU 3.9 have the actions in a file of their own, which is not looked into. */
function viewActions({ core }: Process): ActionView[] {
  const signals = Array.from({ length: 64 }, (_, index) => index + 1);
  return signals.flatMap((signal) => {
    const action = core.tc && actionOf(core.tc, signal);
    if (action === undefined || action.sigaction === BigInt(SIG_DFL)) return [];
    const set = ACTION_FLAGS.filter(([, bit]) => action.flags & BigInt(bit));
    return {
      signal: signalName(signal),
      ...(action.sigaction === BigInt(SIG_IGN) ? {} : { handler: hex(action.sigaction) }),
      flags: set.map(([name]) => name).join(" "),
      blocked: signalsIn(action.mask),
    };
  });
}

/** Where it goes on and the stack come first, then the others as the image has them. */
const FIRST_REGISTERS = [
  "ip",
  "sp",
  "bp",
  "flags",
  "ax",
  "bx",
  "cx",
  "dx",
  "si",
  "di",
  "r8",
  "r9",
  "r10",
  "r11",
];

function viewThread(process: Process, { tid, name, architecture, registers, core }: Thread): ThreadView {
  const rank = (register: string) => FIRST_REGISTERS.indexOf(register) + 1 || FIRST_REGISTERS.length + 1;
  const ordered = [...registers].sort(([left], [right]) => rank(left) - rank(right));
  return {
    tid,
    name,
    architecture,
    blocked: signalsIn(core.thread_core?.blk_sigset ?? core.tc?.blk_sigset ?? 0n),
    pending: (core.thread_core?.signals_p?.signals ?? []).map(signalOf).join(" "),
    registers: ordered.map(([register, value]) => ({
      name: register,
      value: hex(value),
      isMapped: process.mappingAt(value) !== undefined,
    })),
  };
}

function viewProcess({ pid }: { pid: number }): ProcessView {
  const process = checkpoint().process(pid);
  const { name, executable, workingDirectory, root } = process;
  const seen = new Set<string>();
  return {
    pid,
    name,
    executable,
    workingDirectory,
    root,
    arguments: process.arguments,
    environment: process.environment,
    pending: (process.core.tc?.signals_s?.signals ?? []).map(signalOf),
    actions: viewActions(process),
    mappings: process.mappings
      .filter(({ kind }) => kind !== "guard")
      .map((mapping) => viewMapping(process, mapping, seen)),
    threads: process.hasResources ? process.threads.map((thread) => viewThread(process, thread)) : [],
  };
}

function viewHexdump({ pid, address, rows }: Asks["hexdump"]["ask"]): Asks["hexdump"]["answer"] {
  const process = checkpoint().process(pid);
  const start = BigInt(`0x${address}`) & ~0xfn;
  const mapping = process.mappingAt(start);
  const about =
    mapping === undefined ? "not mapped" : `${mapping.protection} ${mapping.name || mapping.kind}`;
  return { mapping: about, rows: [...hexdumpRows(process, start, rows)] };
}

const PATTERNS: Record<SearchMode, (pattern: string) => Pattern> = {
  text: textPattern,
  utf16: utf16Pattern,
  hex: hexPattern,
  regex: expressionPattern,
};

/** Questions that are worked at, and those of them whose answers are not wanted any more. */
const working = new Set<number>();
const unwanted = new Set<number>();

/** Other messages have their turn. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Thrown where work ends early; nobody hears of it. */
class Unwanted extends Error {}

/** Runs work that goes in steps, in slices, and says how far it is. */
async function* inSlices<T extends object>(id: number, work: Iterable<T>): AsyncGenerator<T> {
  let began = performance.now();
  for (const step of work) {
    if (!("done" in step && "total" in step)) {
      yield step;
      continue;
    }
    if (performance.now() - began < SLICE_MS) continue;
    const { done, total } = step as unknown as { done: number; total: number };
    reply({ id, progress: total === 0 ? 1 : done / total });
    await breathe();
    if (unwanted.has(id)) throw new Unwanted();
    began = performance.now();
  }
}

async function viewSearch(
  id: number,
  { pid, mode, pattern }: Asks["search"]["ask"],
): Promise<Asks["search"]["answer"]> {
  const matches: Asks["search"]["answer"]["matches"] = [];
  const steps = search(checkpoint(), PATTERNS[mode](pattern), pid === undefined ? {} : { pids: [pid] });
  for await (const step of inSlices(id, steps)) {
    if (!("address" in step)) continue;
    if (matches.length === MOST_MATCHES) return { matches, isCut: true };
    const { process, mapping, address, content } = step;
    const line = hexLine(address, content.subarray(0, 16));
    matches.push({ pid: process.pid, address: hex(address), line, mapping: mapping.name || mapping.kind });
  }
  return { matches, isCut: false };
}

async function viewFindings(id: number): Promise<Asks["validate"]["answer"]> {
  const findings: Asks["validate"]["answer"] = [];
  for await (const step of inSlices(id, validateInSteps(checkpoint()))) {
    if (!("severity" in step)) continue;
    if (findings.length === MOST_FINDINGS) break;
    findings.push({ severity: step.severity, text: describeFinding(step) });
  }
  return findings;
}

const countOf = (ranges: readonly { pages: number }[]) => ranges.reduce((sum, { pages }) => sum + pages, 0);

/** Of the registers of a thread, only those that are different. */
function shorterChange(change: Change): Change {
  const { what, before, after } = change;
  if (!what.startsWith("thread ") || before === undefined || after === undefined) return change;
  const [old, young] = [before.split(" "), after.split(" ")];
  const other = (registers: string[], than: string[]) =>
    registers.filter((register) => !than.includes(register)).join(" ");
  return { what, before: other(old, young), after: other(young, old) };
}

function viewDifference({
  pid,
  name,
  is,
  properties,
  descriptors,
  mappings,
  memory,
  compared,
}: ProcessDiff): DiffView {
  return {
    pid,
    name,
    is,
    compared,
    changes: [...properties, ...descriptors, ...mappings].map(shorterChange),
    memory: memory.map(({ mapping, changed, added }) => ({
      mapping: `${hex(mapping.start)}-${hex(mapping.end)} ${mapping.name || mapping.kind}`,
      changed: countOf(changed),
      added: countOf(added),
      first: hex((changed[0] ?? added[0]).start),
    })),
  };
}

async function viewDiff(id: number, origin: Origin): Promise<DiffView[]> {
  const before = await openOrigin(origin);
  try {
    const found: DiffView[] = [];
    for await (const step of inSlices(id, diff(before, checkpoint())))
      if ("pid" in step && isDifferent(step)) found.push(viewDifference(step));
    return found;
  } finally {
    before.close();
  }
}

function answer(id: number, question: Question, ask: unknown): unknown {
  switch (question) {
    case "open":
      return open(ask as Origin);
    case "process":
      return viewProcess(ask as Asks["process"]["ask"]);
    case "descriptors":
      return viewDescriptors(ask as Asks["descriptors"]["ask"]);
    case "hexdump":
      return viewHexdump(ask as Asks["hexdump"]["ask"]);
    case "search":
      return viewSearch(id, ask as Asks["search"]["ask"]);
    case "validate":
      return viewFindings(id);
    case "diff":
      return viewDiff(id, ask as Origin);
  }
}

function reply(message: Reply): void {
  (globalThis as unknown as { postMessage(message: Reply): void }).postMessage(message);
}

(globalThis as unknown as { onmessage: (event: { data: Request }) => void }).onmessage = async ({ data }) => {
  const { id } = data;
  if ("stop" in data) {
    if (working.has(id)) unwanted.add(id);
    return;
  }
  working.add(id);
  try {
    reply({ id, answer: await answer(id, data.question, data.ask) });
  } catch (error) {
    if (!(error instanceof Unwanted)) reply({ id, error: describe(error) });
  } finally {
    working.delete(id);
    unwanted.delete(id);
  }
};
