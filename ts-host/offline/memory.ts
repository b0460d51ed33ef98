/**
 * The memory of a process as far as a checkpoint holds it. Nothing is read before it is asked for, and no more
 * than one piece of it is held at a time.
 */
import { ImageError } from "../errors.ts";
import { type DrainPages, type ImageName, readPages } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { PE_PARENT, PE_PRESENT } from "../images/pagemap-entry.ts";
import { isPrivate } from "../kinds/memory/vma.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Mapping } from "./mapping.ts";
import { PAGE_SIZE, type PageIndex } from "./page-index.ts";
import type { Process } from "./process.ts";

const PAGE = BigInt(PAGE_SIZE);

/** Where the content of some pages is. */
export type Content =
  | {
      /** In a page stream, of this checkpoint or of one that it continues. */
      is: "stored";
      checkpoint: Checkpoint;
      /** The stream. */
      pagesId: number;
      /** Number of the first page in it. */
      first: number;
      /** 0: this checkpoint; 1: its parent … */
      generation: number;
    }
  /** Anonymous memory that nobody wrote to. */
  | { is: "zero" }
  /** Not in the images: `why` says where it would come from; `missing`: though it should be there. */
  | { is: "outside"; why: string; missing: boolean };

/** Consecutive pages of one mapping whose content is in one place. */
export interface Piece {
  mapping: Mapping;
  start: bigint;
  end: bigint;
  content: Content;
}

/** Content of a piece of memory, from `address` on; the view holds during the call only. */
export type DrainMemory = (view: Uint8Array, address: bigint) => void;

/** A pagemap of a process, or of a shared object. */
export type PagemapName = ImageName<"PAGEMAP" | "SHMEM_PAGEMAP">;

export class Memory {
  readonly #process: Process;
  readonly #checkpoint: Checkpoint;

  constructor(process: Process, checkpoint: Checkpoint) {
    this.#process = process;
    this.#checkpoint = checkpoint;
  }

  /** All of it, mapping by mapping. */
  *pieces(): Generator<Piece> {
    for (const mapping of this.#process.mappings) yield* this.piecesOf(mapping);
  }

  /** The pieces of a mapping between two addresses, by default all of it. */
  *piecesOf(mapping: Mapping, start = mapping.start, end = mapping.end): Generator<Piece> {
    if (mapping.kind === "guard") return;
    const { layers, offset, otherwise } = this.#placeOf(mapping);
    // Page numbers in the pagemaps that describe it are those of its addresses, less a constant.
    const shift = mapping.start / PAGE - offset / PAGE;
    const firstPage = Number(start / PAGE - shift);
    const endPage = Number((end + PAGE - 1n) / PAGE - shift);
    for (const part of resolve(this.#checkpoint, layers, firstPage, endPage - firstPage, otherwise)) {
      const at = (BigInt(part.first) + shift) * PAGE;
      const last = at + BigInt(part.count) * PAGE;
      yield {
        mapping,
        start: at < start ? start : at,
        end: last > end ? end : last,
        content: part.content,
      };
    }
  }

  /** Which pagemaps to look into, from where on, and what the pages are that none of them lists. */
  #placeOf(mapping: Mapping): { layers: PagemapName[]; offset: bigint; otherwise: Content } {
    const { entry, kind } = mapping;
    const own: PagemapName = { kind: "PAGEMAP", id: this.#process.pid };
    if (kind === "vvar" || kind === "vsyscall") {
      return { layers: [], offset: entry.start, otherwise: outside("the kernel's own data") };
    }
    const shared = this.#sharedObject(mapping);
    if (shared !== undefined && !isPrivate(entry)) {
      const name: PagemapName = { kind: "SHMEM_PAGEMAP", id: shared };
      const isThere = this.#checkpoint.has(name);
      const otherwise = isThere ? ZERO : missing(`in ${imageFileName(name)}, which is not there`);
      return { layers: isThere ? [name] : [], offset: entry.pgoff, otherwise };
    }
    const hasOrigin = kind === "file" || kind === "memfd" || kind === "socket" || kind === "sysv";
    const otherwise = hasOrigin ? outside(`in ${mapping.name || kind}`) : ZERO;
    return { layers: isPrivate(entry) ? [own] : [], offset: entry.start, otherwise };
  }

  /** The number under which the content of a shared object is kept. */
  #sharedObject({ entry, kind, file }: Mapping): number | string | undefined {
    if (kind === "shared" || kind === "sysv") return identifier(entry.shmid);
    if (file?.memfd === undefined) return undefined;
    const inode = this.#checkpoint.memfds.get(BigInt(file.memfd.inode_id));
    return inode?.shmid;
  }

  /**
   * Hands out what is stored between two addresses, in order; zero pages and what is outside of the images are
   * left out.
   */
  drain(mapping: Mapping, start: bigint, end: bigint, drain: DrainMemory): void {
    for (const piece of this.piecesOf(mapping, start, end)) drainPiece(piece, drain);
  }

  /**
   * `length` bytes from `address` on.
   * @throws ImageError where some of them are not mapped, or not in the images
   */
  read(address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const end = address + BigInt(length);
    for (let at = address; at < end; ) {
      const mapping = this.#process.mappingAt(at);
      if (mapping === undefined) throw this.#unreadable(at, "nothing is mapped there");
      const until = mapping.end < end ? mapping.end : end;
      for (const piece of this.piecesOf(mapping, at, until)) {
        if (piece.content.is === "outside") throw this.#unreadable(piece.start, piece.content.why);
        drainPiece(piece, (view, from) => bytes.set(view, Number(from - address)));
      }
      at = until;
    }
    return bytes;
  }

  #unreadable(address: bigint, why: string): ImageError {
    return new ImageError(`address 0x${address.toString(16)}: ${why}`, { pid: this.#process.pid });
  }
}

const ZERO: Content = { is: "zero" };

function outside(why: string): Content {
  return { is: "outside", why, missing: false };
}

function missing(why: string): Content {
  return { is: "outside", why, missing: true };
}

/** Images are named by numbers where these are exact, else by their digits. */
function identifier(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

/** Reads a piece, unless there is nothing to read; the first and last page may be cut. */
export function drainPiece({ start, end, content }: Piece, drain: DrainMemory): void {
  if (content.is !== "stored") return;
  const base = start - (start % PAGE);
  const pages = Number((end - base + PAGE - 1n) / PAGE);
  const cut: DrainPages = (view, offset) => {
    const at = base + BigInt(offset);
    const from = at < start ? Number(start - at) : 0;
    const until = at + BigInt(view.length) > end ? Number(end - at) : view.length;
    drain(from === 0 && until === view.length ? view : view.subarray(from, until), at + BigInt(from));
  };
  content.checkpoint.pages(content.pagesId).read(content.first, pages, cut);
}

/** Reads a piece of whole pages that are stored to the beginning of `into`; the number of its bytes. */
export function readPiece({ start, end, content }: Piece, into: Uint8Array): number {
  if (content.is !== "stored") return 0;
  const bytes = into.subarray(0, Number(end - start));
  readPages(content.checkpoint.pages(content.pagesId), content.first, bytes);
  return bytes.length;
}

/** The piece in parts of at most `pages` pages: so that long work can be interrupted, and memory is bounded. */
export function* inParts(piece: Piece, pages: number): Generator<Piece> {
  const { mapping, end, content } = piece;
  const firstPage = piece.start / PAGE;
  for (let start = piece.start; start < end; ) {
    const border = (start / PAGE + BigInt(pages)) * PAGE;
    const until = border < end ? border : end;
    const skipped = Number(start / PAGE - firstPage);
    const moved = content.is === "stored" ? { ...content, first: content.first + skipped } : content;
    yield { mapping, start, end: until, content: moved };
    start = until;
  }
}

/** Pages of one pagemap whose content is in one place. */
export interface Part {
  first: number;
  count: number;
  content: Content;
}

/** `count` pages from `first` on, each looked up in the pagemaps of that name of the checkpoint and its parents. */
function* resolve(
  checkpoint: Checkpoint,
  names: readonly PagemapName[],
  first: number,
  count: number,
  otherwise: Content,
): Generator<Part> {
  let next = first;
  const index = names.length === 0 ? undefined : checkpoint.pageIndex(names[0]);
  for (const run of index?.within(first, count) ?? []) {
    if (run.first > next) yield { first: next, count: run.first - next, content: otherwise };
    yield* inLayers(checkpoint, names[0], index!, run, 0);
    next = run.first + run.count;
  }
  if (next < first + count) yield { first: next, count: first + count - next, content: otherwise };
}

/** `count` pages that a pagemap lists, from page `first` on: each where it is, here or in a parent. */
export function* pagesInChain(
  checkpoint: Checkpoint,
  name: PagemapName,
  first: number,
  count: number,
): Generator<Part> {
  const index = checkpoint.pageIndex(name);
  for (const run of index.within(first, count)) yield* inLayers(checkpoint, name, index, run, 0);
}

/** Pages of an entry: in the stream of this checkpoint, or where its parents have them. */
function* inLayers(
  checkpoint: Checkpoint,
  name: PagemapName,
  index: PageIndex,
  run: { first: number; count: number; flags: number; inStream: number },
  generation: number,
): Generator<Part> {
  const { first, count, flags, inStream } = run;
  if (flags & PE_PRESENT) {
    const { pagesId } = index;
    yield { first, count, content: { is: "stored", checkpoint, pagesId, first: inStream, generation } };
    return;
  }
  if ((flags & PE_PARENT) === 0) {
    yield { first, count, content: outside("lazy pages, which another process was to serve") };
    return;
  }
  const { parent } = checkpoint;
  if (parent === undefined || !parent.has(name)) {
    yield { first, count, content: missing("in the parent checkpoint, which is not here") };
    return;
  }
  const older = parent.pageIndex(name);
  let next = first;
  const lost = missing("the parent checkpoint does not have these pages");
  for (const inner of older.within(first, count)) {
    if (inner.first > next) yield { first: next, count: inner.first - next, content: lost };
    yield* inLayers(parent, name, older, inner, generation + 1);
    next = inner.first + inner.count;
  }
  if (next < first + count) yield { first: next, count: first + count - next, content: lost };
}
