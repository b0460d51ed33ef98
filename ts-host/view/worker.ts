/** The worker of the viewer: has the checkpoint open and answers the page. */
import { CriuWasmError, describe } from "../errors.ts";
import { signalName } from "../kernel/abi/signal.ts";
import { openFiles } from "../offline/browser-files.ts";
import { Checkpoint } from "../offline/checkpoint.ts";
import { diff, isDifferent, type ProcessDiff } from "../offline/diff.ts";
import { hexdumpRows, hexLine } from "../offline/hexdump.ts";
import type { Mapping } from "../offline/mapping.ts";
import type { Piece } from "../offline/memory.ts";
import type { Process } from "../offline/process.ts";
import {
  expressionPattern,
  hexPattern,
  type Pattern,
  search,
  textPattern,
  utf16Pattern,
} from "../offline/search/index.ts";
import { describeFinding, validate } from "../offline/validate/index.ts";
import type {
  Asks,
  DescriptorView,
  DiffView,
  MappingView,
  Origin,
  PageKind,
  ProcessView,
  Question,
  Reply,
  Request,
  SearchMode,
} from "./protocol.ts";
import { RemoteSource } from "./remote-source.ts";

/** Matches, and findings, that the page is given at most. */
const MOST_MATCHES = 1000;
const MOST_FINDINGS = 2000;
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
  opened?.close();
  opened = young;
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
  for (const { count, pack, page } of source.places(content.first, pages)) {
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

/** Descriptors of all processes by the id of their file, and files by what connects them. */
function whoHasWhat(): { byFile: Map<number, string[]>; filesOf: (fileId: number) => number[] } {
  const byFile = new Map<number, string[]>();
  for (const process of checkpoint().processes) {
    for (const { fd, file } of process.descriptors) {
      byFile.set(file.id, [...(byFile.get(file.id) ?? []), `${process.pid}:${fd}`]);
    }
  }
  const all = [...checkpoint().files.values()];
  const filesOf = (id: number): number[] => {
    const { usk, pipe, fifo, isk } = checkpoint().files.get(id) ?? {};
    const pipeId = pipe?.pipe_id ?? fifo?.pipe_id;
    const isPeer = (other: (typeof all)[number]): boolean => {
      if (usk) return usk.peer !== 0 && other.usk?.ino === usk.peer;
      if (pipeId !== undefined)
        return other.id !== id && (other.pipe?.pipe_id ?? other.fifo?.pipe_id) === pipeId;
      if (!isk || isk.dst_port === 0 || !other.isk) return false;
      return (
        other.isk.src_port === isk.dst_port &&
        other.isk.dst_port === isk.src_port &&
        `${other.isk.src_addr}` === `${isk.dst_addr}`
      );
    };
    return usk || pipeId !== undefined || isk ? all.filter(isPeer).map((other) => other.id) : [];
  };
  return { byFile, filesOf };
}

let owners: { of: Checkpoint; value: ReturnType<typeof whoHasWhat> } | undefined;

function viewDescriptors(process: Process): DescriptorView[] {
  if (owners?.of !== checkpoint()) owners = { of: checkpoint(), value: whoHasWhat() };
  const { byFile, filesOf } = owners.value;
  return process.descriptors.map(({ fd, type, text, closeOnExec, file }) => ({
    fd,
    type,
    text,
    closeOnExec,
    sharedWith: (byFile.get(file.id) ?? []).filter((other) => other !== `${process.pid}:${fd}`),
    peers: filesOf(file.id).flatMap((id) => byFile.get(id) ?? []),
  }));
}

function signalsIn(mask: bigint): string {
  const names: string[] = [];
  for (let signal = 1; signal <= 64; signal++)
    if (mask & (1n << BigInt(signal - 1))) names.push(signalName(signal));
  return names.join(" ");
}

/** Number of the signal that a siginfo is of. */
function signalOf({ siginfo }: { siginfo: Uint8Array }): string {
  return siginfo.length < 4
    ? "?"
    : signalName(new DataView(siginfo.buffer, siginfo.byteOffset).getInt32(0, true));
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
    mappings: process.mappings
      .filter(({ kind }) => kind !== "guard")
      .map((mapping) => viewMapping(process, mapping, seen)),
    descriptors: viewDescriptors(process),
    threads: process.hasResources
      ? process.threads.map(({ tid, name, architecture, registers, core }) => ({
          tid,
          name,
          architecture,
          blocked: signalsIn(core.thread_core?.blk_sigset ?? core.tc?.blk_sigset ?? 0n),
          registers: registers.map(([register, value]): [string, string] => [register, hex(value)]),
        }))
      : [],
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

/** Runs work in steps; says how far it is; the worker takes no other question meanwhile. */
function* withProgress<T extends object>(id: number, work: Iterable<T>): Generator<T> {
  let said = performance.now();
  for (const step of work) {
    if (!("done" in step && "total" in step)) {
      yield step;
      continue;
    }
    const now = performance.now();
    if (now - said < 100) continue;
    said = now;
    const { done, total } = step as unknown as { done: number; total: number };
    reply({ id, progress: total === 0 ? 1 : done / total });
  }
}

function viewSearch(id: number, { pid, mode, pattern }: Asks["search"]["ask"]): Asks["search"]["answer"] {
  const matches: Asks["search"]["answer"]["matches"] = [];
  const steps = search(checkpoint(), PATTERNS[mode](pattern), pid === undefined ? {} : { pids: [pid] });
  for (const step of withProgress(id, steps)) {
    if (!("address" in step)) continue;
    if (matches.length === MOST_MATCHES) return { matches, isCut: true };
    const { process, mapping, address, content } = step;
    const line = hexLine(address, content.subarray(0, 16));
    matches.push({ pid: process.pid, address: hex(address), line, mapping: mapping.name || mapping.kind });
  }
  return { matches, isCut: false };
}

function viewFindings(): Asks["validate"]["answer"] {
  const findings: Asks["validate"]["answer"] = [];
  for (const finding of validate(checkpoint())) {
    if (findings.length === MOST_FINDINGS) break;
    findings.push({ severity: finding.severity, text: describeFinding(finding) });
  }
  return findings;
}

const countOf = (ranges: readonly { pages: number }[]) => ranges.reduce((sum, { pages }) => sum + pages, 0);

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
    changes: [...properties, ...descriptors, ...mappings],
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
  const found: DiffView[] = [];
  for (const step of withProgress(id, diff(before, checkpoint()))) {
    if ("pid" in step && isDifferent(step)) found.push(viewDifference(step));
  }
  before.close();
  return found;
}

function answer(id: number, question: Question, ask: unknown): unknown {
  switch (question) {
    case "open":
      return open(ask as Origin);
    case "process":
      return viewProcess(ask as Asks["process"]["ask"]);
    case "hexdump":
      return viewHexdump(ask as Asks["hexdump"]["ask"]);
    case "search":
      return viewSearch(id, ask as Asks["search"]["ask"]);
    case "validate":
      return viewFindings();
    case "diff":
      return viewDiff(id, ask as Origin);
  }
}

function reply(message: Reply): void {
  (globalThis as unknown as { postMessage(message: Reply): void }).postMessage(message);
}

(globalThis as unknown as { onmessage: (event: { data: Request }) => void }).onmessage = async ({ data }) => {
  const { id, question, ask } = data;
  try {
    reply({ id, answer: await answer(id, question, ask) });
  } catch (error) {
    reply({ id, error: describe(error) });
  }
};
