/**
 * What is different between two checkpoints of the same processes: the second is compared with the first, process
 * by process, page by page. Pages that lie in one place of a store are equal, and those with different hashes in
 * one store are different: neither are read.
 */
import { sameBytes } from "../images/binary.ts";
import type { CheckpointReader, StoredHashes } from "../images/checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Mapping } from "./mapping.ts";
import { type Content, drainPiece, inParts, type Piece } from "./memory.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Process } from "./process.ts";
import type { Progress } from "./progress.ts";

/** Something that is not as it was; undefined: it was, or is, not there. */
export interface Change {
  what: string;
  before?: string;
  after?: string;
}

/** Consecutive pages. */
export interface PageRange {
  start: bigint;
  pages: number;
}

export interface MappingDiff {
  mapping: Mapping;
  /** Pages with other content. */
  changed: PageRange[];
  /** Pages at addresses that were not mapped before. */
  added: PageRange[];
}

export interface ProcessDiff {
  pid: number;
  name: string;
  is: "added" | "removed" | "kept";
  properties: Change[];
  descriptors: Change[];
  mappings: Change[];
  /** Of the second checkpoint, those with pages that changed or were added. */
  memory: MappingDiff[];
  /** Pages that were compared: those that are in the images of both. */
  compared: number;
  /** Pages of them that had to be read. */
  read: number;
}

/** Yields each process, those of the second checkpoint first, and how far it is between them. */
export function* diff(before: Checkpoint, after: Checkpoint): Generator<Progress | ProcessDiff, void> {
  const old = new Map(before.processes.map((process) => [process.pid, process]));
  const total = after.processes.length;
  for (const [done, process] of after.processes.entries()) {
    yield { done, total };
    const counterpart = old.get(process.pid);
    old.delete(process.pid);
    if (counterpart === undefined) yield emptyDiff(process, "added");
    else yield yield* compareProcesses(counterpart, process, done, total);
  }
  for (const process of old.values()) yield emptyDiff(process, "removed");
}

/** Whether anything in it is different. */
export function isDifferent({ is, properties, descriptors, mappings, memory }: ProcessDiff): boolean {
  return is !== "kept" || [properties, descriptors, mappings, memory].some((changes) => changes.length > 0);
}

function emptyDiff({ pid, name }: Process, is: ProcessDiff["is"]): ProcessDiff {
  return { pid, name, is, properties: [], descriptors: [], mappings: [], memory: [], compared: 0, read: 0 };
}

function* compareProcesses(
  before: Process,
  after: Process,
  done: number,
  total: number,
): Generator<Progress, ProcessDiff> {
  const result = emptyDiff(after, "kept");
  result.properties = changesBetween(propertiesOf(before), propertiesOf(after));
  result.descriptors = changesBetween(descriptorsOf(before), descriptorsOf(after));
  result.mappings = changesBetween(mappingsOf(before), mappingsOf(after));
  for (const mapping of after.mappings) {
    const difference: MappingDiff = { mapping, changed: [], added: [] };
    for (const piece of after.memory.piecesOf(mapping)) {
      for (const part of inParts(piece, STEP_PAGES)) {
        yield { done, total };
        for (const old of piecesAt(before, part.start, part.end))
          compare(old, cut(part, old), difference, result);
      }
    }
    if (difference.changed.length + difference.added.length > 0) result.memory.push(difference);
  }
  return result;
}

const STEP_PAGES = 1024;
const PAGE = BigInt(PAGE_SIZE);

// What people see of a process, each under a name.

function propertiesOf(process: Process): Map<string, string> {
  const { name, parentPid, state, tids, executable, workingDirectory, root } = process;
  const properties = new Map(Object.entries({ name, parent: `${parentPid}`, state, executable }));
  properties.set("working directory", workingDirectory);
  properties.set("root", root);
  properties.set("arguments", process.arguments.join(" "));
  for (const tid of tids) {
    const registers = process
      .thread(tid)
      .registers.map(([register, value]) => `${register}=${value.toString(16)}`);
    properties.set(`thread ${tid}`, registers.join(" "));
  }
  return properties;
}

function descriptorsOf(process: Process): Map<string, string> {
  const lines = process.descriptors.map(({ fd, text, closeOnExec, file }): [string, string] => {
    const flags =
      file.reg === undefined ? "" : ` flags 0${file.reg.flags.toString(8)} offset ${file.reg.pos}`;
    return [`fd ${fd}`, `${text}${flags}${closeOnExec ? " close-on-exec" : ""}`];
  });
  return new Map(lines);
}

function mappingsOf(process: Process): Map<string, string> {
  const lines = process.mappings.map(({ start, end, protection, kind, name }): [string, string] => [
    `${start.toString(16)}-${end.toString(16)}`,
    name === "" ? `${protection} ${kind}` : `${protection} ${name}`,
  ]);
  return new Map(lines);
}

function changesBetween(before: Map<string, string>, after: Map<string, string>): Change[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .map((what) => ({ what, before: before.get(what), after: after.get(what) }))
    .filter((change) => change.before !== change.after);
}

// Memory.

/** Pieces of whatever mappings lie between two addresses; "unmapped" where none does. */
interface OldPiece {
  start: bigint;
  end: bigint;
  content: Content | { is: "unmapped" };
  piece?: Piece;
}

function* piecesAt(process: Process, start: bigint, end: bigint): Generator<OldPiece> {
  let at = start;
  for (const mapping of process.mappings) {
    if (mapping.kind === "guard" || mapping.end <= at) continue;
    if (mapping.start >= end) break;
    if (mapping.start > at) yield { start: at, end: mapping.start, content: { is: "unmapped" } };
    const from = mapping.start > at ? mapping.start : at;
    const until = mapping.end < end ? mapping.end : end;
    for (const piece of process.memory.piecesOf(mapping, from, until)) yield { ...piece, piece };
    at = until;
  }
  if (at < end) yield { start: at, end, content: { is: "unmapped" } };
}

/** The part of a piece that has the addresses of another. */
function cut(piece: Piece, { start, end }: { start: bigint; end: bigint }): Piece {
  const { content } = piece;
  const skipped = Number((start - piece.start) / PAGE);
  const moved = content.is === "stored" ? { ...content, first: content.first + skipped } : content;
  return { mapping: piece.mapping, start, end, content: moved };
}

/** Compares two pieces with the same addresses and notes the pages that differ. */
function compare(before: OldPiece, after: Piece, difference: MappingDiff, result: ProcessDiff): void {
  const pages = Number((after.end - after.start) / PAGE);
  if (before.content.is === "unmapped") {
    addRange(difference.added, after.start, pages);
    return;
  }
  result.compared += pages;
  const old = before.content;
  const young = after.content;
  if (old.is !== "stored" && young.is !== "stored") {
    // Both would come from elsewhere, or are zeros.
    const isSame = old.is === young.is && (old.is === "zero" || old.why === (young as { why?: string }).why);
    if (!isSame) addRange(difference.changed, after.start, pages);
    return;
  }
  if (old.is === "outside" || young.is === "outside") {
    addRange(difference.changed, after.start, pages);
    return;
  }
  let page = 0;
  for (const { count, verdict } of verdicts(placesOf(old, pages), placesOf(young, pages))) {
    const start = after.start + BigInt(page) * PAGE;
    const end = start + BigInt(count) * PAGE;
    if (verdict === "different") addRange(difference.changed, start, count);
    if (verdict === "unknown") {
      result.read += count;
      for (const different of differentPages(
        cut(before.piece!, { start, end }),
        cut(after, { start, end }),
      )) {
        addRange(difference.changed, start + BigInt(different) * PAGE, 1);
      }
    }
    page += count;
  }
}

/** A place of pages as text, and how it goes on from page to page; undefined: it says nothing. */
interface Place {
  count: number;
  file: string | undefined;
  page: number;
  /** Where `file` is a pack: who knows its hashes. */
  reader?: CheckpointReader;
}

const ZEROS = "zeros";

function placesOf(content: Content, pages: number): Place[] {
  if (content.is !== "stored") return [{ count: pages, file: ZEROS, page: 0 }];
  const { reader } = content.checkpoint;
  const source = content.checkpoint.pages(content.pagesId);
  if (source.places === undefined) return [{ count: pages, file: undefined, page: 0 }];
  return [...source.places(content.first, pages)].map(({ count, pack, page }) => ({
    count,
    file: pack ?? ZEROS,
    page,
    ...(pack === undefined ? {} : { reader }),
  }));
}

type Verdict = "same" | "different" | "unknown";

/** Pages that lie in one place are the same; of others their hashes tell, or they have to be looked at. */
function* verdicts(
  left: readonly Place[],
  right: readonly Place[],
): Generator<{ count: number; verdict: Verdict }> {
  let [leftIndex, rightIndex, leftDone, rightDone] = [0, 0, 0, 0];
  while (leftIndex < left.length && rightIndex < right.length) {
    const [a, b] = [left[leftIndex], right[rightIndex]];
    const count = Math.min(a.count - leftDone, b.count - rightDone);
    const [from, to] = [a.page + leftDone, b.page + rightDone];
    if (a.file !== undefined && a.file === b.file && (a.file === ZEROS || from === to)) {
      yield { count, verdict: "same" };
    } else {
      yield* verdictsOfHashes(hashesOf(a), from, hashesOf(b), to, count);
    }
    leftDone += count;
    rightDone += count;
    if (leftDone === a.count) [leftIndex, leftDone] = [leftIndex + 1, 0];
    if (rightDone === b.count) [rightIndex, rightDone] = [rightIndex + 1, 0];
  }
}

function hashesOf({ file, reader }: Place): StoredHashes | undefined {
  return file === undefined ? undefined : reader?.hashes?.(file);
}

function* verdictsOfHashes(
  left: StoredHashes | undefined,
  from: number,
  right: StoredHashes | undefined,
  to: number,
  count: number,
): Generator<{ count: number; verdict: Verdict }> {
  if (left === undefined || left.store !== right?.store) {
    yield { count, verdict: "unknown" };
    return;
  }
  const [before, after] = [new Uint8Array(left.size), new Uint8Array(left.size)];
  for (let page = 0; page < count; page++) {
    left.copy(from + page, before);
    right.copy(to + page, after);
    const isOther = !sameBytes(before, after);
    yield { count: 1, verdict: isOther ? "different" : "unknown" };
  }
}

const WORDS = PAGE_SIZE / 4;

/** Numbers of the pages that differ, counted from the first. */
function differentPages(before: Piece, after: Piece): number[] {
  const [left, right] = [before, after].map(wordsOf);
  const different: number[] = [];
  for (let page = 0; page * WORDS < left.length; page++) {
    const end = (page + 1) * WORDS;
    let at = page * WORDS;
    while (at < end && left[at] === right[at]) at++;
    if (at < end) different.push(page);
  }
  return different;
}

function wordsOf(piece: Piece): Int32Array {
  const bytes = new Uint8Array(Number(piece.end - piece.start));
  drainPiece(piece, (view, address) => bytes.set(view, Number(address - piece.start)));
  return new Int32Array(bytes.buffer);
}

function addRange(ranges: PageRange[], start: bigint, pages: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.start + BigInt(last.pages) * PAGE === start) last.pages += pages;
  else ranges.push({ start, pages });
}
