/**
 * Search in the memory of processes: in all that is stored in the images. Memory that nobody wrote to, and
 * unchanged pages of mapped files, which are not in them, are not searched.
 */
import { Haystack } from "../../wasm/haystack.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Mapping } from "../mapping.ts";
import { inParts, type Piece, readPiece } from "../memory.ts";
import { PAGE_SIZE } from "../page-index.ts";
import type { Process } from "../process.ts";
import type { Progress } from "../progress.ts";
import { isSelected, type Selection, selectedProcesses } from "../select.ts";
import type { Hit, Pattern } from "./pattern.ts";

export {
  expressionPattern,
  type Hit,
  hexPattern,
  type Pattern,
  textPattern,
  utf16Pattern,
} from "./pattern.ts";

/** Pages that are looked through at once: 2 MiB. */
const STEP_PAGES = 512;
/** Most bytes of a match that are given with it. */
const MOST_CONTENT = 256;

export interface Match {
  process: Process;
  mapping: Mapping;
  address: bigint;
  /** Bytes. */
  length: number;
  /** What was found, cut to 256 bytes. */
  content: Uint8Array;
}

/** Yields each match in order of process and address, and between them how far it is, in bytes. */
export function* search(
  checkpoint: Checkpoint,
  pattern: Pattern,
  selection: Selection = {},
): Generator<Match | Progress, void> {
  const places = selectedProcesses(checkpoint, selection).flatMap((process) =>
    process.mappings
      .filter((mapping) => isSelected(mapping, selection))
      .map((mapping) => ({ process, mapping })),
  );
  const total = places.reduce((sum, { process, mapping }) => sum + storedBytes(process, mapping), 0);
  let done = 0;
  const haystack = new Haystack(checkpoint.reader.pagesCore);
  for (const { process, mapping } of places) {
    const window = new Window(pattern, haystack);
    for (const piece of storedPieces(process, mapping)) {
      for (const part of inParts(piece, STEP_PAGES)) {
        yield { done, total };
        for (const found of window.add(part)) yield { process, mapping, ...found };
        done += Number(part.end - part.start);
      }
    }
    for (const found of window.finish()) yield { process, mapping, ...found };
  }
}

function* storedPieces(process: Process, mapping: Mapping): Generator<Piece> {
  for (const piece of process.memory.piecesOf(mapping)) if (piece.content.is === "stored") yield piece;
}

function storedBytes(process: Process, mapping: Mapping): number {
  let bytes = 0;
  for (const { start, end } of storedPieces(process, mapping)) bytes += Number(end - start);
  return bytes;
}

type Found = Pick<Match, "address" | "length" | "content">;

/** What was read last of memory without a gap: as much as a match may need that is not complete yet. */
class Window {
  readonly #pattern: Pattern;
  readonly #haystack: Haystack;
  /** How much of the haystack is used, and the address of its first byte. */
  #length = 0;
  #base = 0n;
  /** Where the last match has ended. */
  #from = 0;

  constructor(pattern: Pattern, haystack: Haystack) {
    this.#pattern = pattern;
    this.#haystack = haystack;
  }

  get #bytes(): Uint8Array {
    return this.#haystack.bytes(STEP_PAGES * PAGE_SIZE + this.#pattern.longest);
  }

  *add(part: Piece): Generator<Found> {
    if (this.#base + BigInt(this.#length) !== part.start) {
      yield* this.finish();
      this.#base = part.start;
    }
    this.#length += readPiece(part, this.#bytes.subarray(this.#length));
    const settled = Math.max(0, this.#length - this.#pattern.longest + 1);
    yield* this.#hitsBefore(settled);
    this.#forget(settled);
  }

  /** Matches in what is left; nothing follows it. */
  *finish(): Generator<Found> {
    yield* this.#hitsBefore(this.#length);
    this.#length = 0;
    this.#from = 0;
  }

  *#hitsBefore(end: number): Generator<Found> {
    for (const hit of this.#pattern.find(this.#haystack, this.#from, this.#length)) {
      if (hit.start >= end) return;
      this.#from = hit.start + hit.length;
      yield this.#found(hit);
    }
  }

  #found({ start, length }: Hit): Found {
    const content = this.#bytes.slice(start, start + Math.min(length, MOST_CONTENT));
    return { address: this.#base + BigInt(start), length, content };
  }

  /** Drops the first `count` bytes. */
  #forget(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#base += BigInt(count);
    this.#from = Math.max(0, this.#from - count);
  }
}
