/**
 * What is different between two checkpoints of the same processes: the second is compared with the first, process
 * by process, page by page. Pages that lie in one place of a store are equal; those that were there when a checkpoint
 * was made, and those that it brought, are different, as are those with different hashes: none of them are read.
 */
import type { CheckpointReader, PlaceCursor, StoredHashes } from "../images/checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Mapping } from "./mapping.ts";
import { type Content, type Piece, readPiece } from "./memory.ts";
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
  for (const _ of compareMemory(before, after, result)) yield { done, total };
  return result;
}

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

// Memory. Pages have the numbers that their addresses give them: numbers are many times faster than bigints.

/** Ranges of pages, each of which is added behind the one before. */
class Ranges {
  readonly list: PageRange[] = [];
  /** Where the last ends. */
  #end = 0;

  add(first: number, end: number): void {
    const last = this.list.at(-1);
    if (last !== undefined && first === this.#end) last.pages += end - first;
    // Exact: there are fewer than 2 ** 52 pages.
    else this.list.push({ start: BigInt(first * PAGE_SIZE), pages: end - first });
    this.#end = end;
  }
}

/** Yields whenever it has worked for a while, as all that it calls. */
function* compareMemory(before: Process, after: Process, result: ProcessDiff): Generator<void> {
  let pieces = 0;
  const memory = new OldMemory(before);
  const reading = new Reading();
  for (const mapping of after.mappings) {
    const changed = new Ranges();
    const added = new Ranges();
    for (const young of after.memory.piecesOf(mapping)) {
      for (const old of memory.between(young.start, young.end)) {
        if (pieces++ % STEP_PIECES === 0) yield;
        const { first, end } = pagesOf(old);
        if (old.content.is === "unmapped") {
          added.add(first, end);
          continue;
        }
        result.compared += end - first;
        const parts = [partOf(old as Piece, first, end), partOf(young, first, end)] as const;
        yield* new Comparison(...parts, changed, reading).run();
      }
    }
    if (changed.list.length + added.list.length > 0)
      result.memory.push({ mapping, changed: changed.list, added: added.list });
  }
  result.read = reading.pages;
}

/** A piece of whatever mapping lies there; "unmapped" where none does. */
interface OldPiece {
  start: bigint;
  end: bigint;
  content: Content | { is: "unmapped" };
}

/** The memory of a process, which is asked for from lower to higher addresses as a rule. */
class OldMemory {
  readonly #process: Process;
  readonly #mappings: readonly Mapping[];
  /** Mappings before this one end before the address that was asked for last. */
  #first = 0;
  #last = 0n;

  constructor(process: Process) {
    this.#process = process;
    this.#mappings = process.mappings.filter(({ kind }) => kind !== "guard");
  }

  /** What lies between two addresses. */
  *between(start: bigint, end: bigint): Generator<OldPiece> {
    let at = start;
    for (let index = this.#firstAfter(start); index < this.#mappings.length; index++) {
      const mapping = this.#mappings[index];
      if (mapping.end <= at) continue;
      if (mapping.start >= end) break;
      if (mapping.start > at) yield { start: at, end: mapping.start, content: { is: "unmapped" } };
      const from = mapping.start > at ? mapping.start : at;
      const until = mapping.end < end ? mapping.end : end;
      yield* this.#process.memory.piecesOf(mapping, from, until);
      at = until;
    }
    if (at < end) yield { start: at, end, content: { is: "unmapped" } };
  }

  #firstAfter(address: bigint): number {
    if (address < this.#last) this.#first = 0;
    this.#last = address;
    while (this.#first < this.#mappings.length && this.#mappings[this.#first].end <= address) this.#first++;
    return this.#first;
  }
}

function pagesOf({ start, end }: { start: bigint; end: bigint }): { first: number; end: number } {
  return { first: Number(start / PAGE), end: Number((end + PAGE - 1n) / PAGE) };
}

/** The pages of a piece from one on to before another. */
function partOf({ mapping, start, content }: Piece, first: number, end: number): Piece {
  const skipped = first - Number(start / PAGE);
  const moved = content.is === "stored" ? { ...content, first: content.first + skipped } : content;
  return { mapping, start: BigInt(first) * PAGE, end: BigInt(end) * PAGE, content: moved };
}

/** What is looked at without a pause. */
const STEP_PIECES = 256;
const STEP_PAGES = 65_536;

/** Notes which pages of two pieces with the same addresses differ. */
class Comparison {
  readonly #before: Piece;
  readonly #after: Piece;
  readonly #changed: Ranges;
  readonly #reading: Reading;
  /** The packs that were asked about last. */
  #asked = { left: "", right: "", answer: false };

  constructor(before: Piece, after: Piece, changed: Ranges, reading: Reading) {
    this.#before = before;
    this.#after = after;
    this.#changed = changed;
    this.#reading = reading;
  }

  *run(): Generator<void> {
    const { first, end } = pagesOf(this.#after);
    const [old, young] = [this.#before.content, this.#after.content];
    if (old.is === "outside" || young.is === "outside") {
      const isSame = old.is === "outside" && young.is === "outside" && old.why === young.why;
      if (!isSame) this.#changed.add(first, end);
      return;
    }
    if (old.is === "zero" && young.is === "zero") return;
    const [left, right] = [placesOf(old, end - first), placesOf(young, end - first)];
    if (left === undefined || right === undefined) yield* this.#read(first, end);
    else yield* this.#comparePlaces(left, right, first, end);
  }

  *#comparePlaces(left: PlaceCursor, right: PlaceCursor, first: number, end: number): Generator<void> {
    let paused = first;
    for (let page = first; page < end; ) {
      const count = Math.min(left.count, right.count);
      const isSame = left.pack === right.pack && left.page === right.page;
      if (!isSame && this.#areDistinct(left, right)) this.#changed.add(page, page + count);
      else if (!isSame) yield* this.#compareHashes(left, right, page, page + count);
      left.skip(count);
      right.skip(count);
      page += count;
      if (page - paused < STEP_PAGES) continue;
      yield;
      paused = page;
    }
  }

  /** Either checkpoint may know that. */
  #areDistinct({ pack: left }: PlaceCursor, { pack: right }: PlaceCursor): boolean {
    if (left === undefined || right === undefined) return false;
    if (left !== this.#asked.left || right !== this.#asked.right) {
      const [old, young] = [readerOf(this.#before.content), readerOf(this.#after.content)];
      const answer = old?.areDistinct?.(left, right) || young?.areDistinct?.(left, right) || false;
      this.#asked = { left, right, answer };
    }
    return this.#asked.answer;
  }

  /** Pages of one store with different hashes are different; those with equal ones, or without, have to be read. */
  *#compareHashes(left: PlaceCursor, right: PlaceCursor, first: number, end: number): Generator<void> {
    const before = hashesOf(this.#before.content, left);
    const after = hashesOf(this.#after.content, right);
    if (before === undefined || before.store !== after?.store) {
      yield* this.#read(first, end);
      return;
    }
    for (let page = first; page < end; page++) {
      const index = page - first;
      if (differ(before, left.page + index, after, right.page + index)) this.#changed.add(page, page + 1);
      else yield* this.#read(page, page + 1);
    }
  }

  #read(first: number, end: number): Generator<void> {
    return this.#reading.compare(this.#before, this.#after, first, end, this.#changed);
  }
}

/** Undefined: they are not known. */
function placesOf(content: Content, count: number): PlaceCursor | undefined {
  if (content.is !== "stored") return new Zeros(count);
  return content.checkpoint.pages(content.pagesId).places?.(content.first, count);
}

class Zeros implements PlaceCursor {
  count: number;
  readonly pack = undefined;
  readonly page = 0;

  constructor(count: number) {
    this.count = count;
  }

  skip(count: number): void {
    this.count -= count;
  }
}

function readerOf(content: Content): CheckpointReader | undefined {
  return content.is === "stored" ? content.checkpoint.reader : undefined;
}

function hashesOf(content: Content, { pack }: PlaceCursor): StoredHashes | undefined {
  return pack === undefined ? undefined : readerOf(content)?.hashes?.(pack);
}

function differ(before: StoredHashes, left: number, after: StoredHashes, right: number): boolean {
  for (let index = 0; index < before.words; index++)
    if (before.word(left, index) !== after.word(right, index)) return true;
  return false;
}

const WORDS = PAGE_SIZE / 4;

/** Compares pages by their bytes. */
class Reading {
  /** Pages that are read at once. */
  static readonly #PAGES = 256;
  readonly #before = new Int32Array(Reading.#PAGES * WORDS);
  readonly #after = new Int32Array(Reading.#PAGES * WORDS);
  /** Pages that were read. */
  pages = 0;

  /** Notes which pages of two pieces, from page `first` to before `end`, differ. */
  *compare(before: Piece, after: Piece, first: number, end: number, changed: Ranges): Generator<void> {
    this.pages += end - first;
    for (let page = first; page < end; page += Reading.#PAGES) {
      const until = Math.min(end, page + Reading.#PAGES);
      read(partOf(before, page, until), this.#before);
      read(partOf(after, page, until), this.#after);
      for (let each = page; each < until; each++) if (this.#differs(each - page)) changed.add(each, each + 1);
      yield;
    }
  }

  #differs(page: number): boolean {
    const [before, after] = [this.#before, this.#after];
    const end = (page + 1) * WORDS;
    let at = page * WORDS;
    while (at < end && before[at] === after[at]) at++;
    return at < end;
  }
}

/** Reads a piece; what is not stored is zeros. */
function read(piece: Piece, into: Int32Array): void {
  const bytes = new Uint8Array(into.buffer);
  if (readPiece(piece, bytes) === 0) bytes.fill(0);
}
