/**
 * What a checkpoint is, whatever its format: image files of records, and streams of memory pages.
 * The engine and the offline verbs know only this; images/criu.ts and images/native.ts are the two formats.
 */
import type { ImageKind, MessageOf } from "../generated/messages.ts";
import type { Core } from "../wasm/core.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";

/** One record of an image file: a message and, for some kinds, raw bytes that follow it. */
export interface ImageRecord<K extends ImageKind = ImageKind> {
  message: MessageOf<K>;
  payload?: Uint8Array;
}

/** Names one image file: its kind and, where the kind's name pattern has a place for one, its id. */
export interface ImageName<K extends ImageKind = ImageKind> {
  kind: K;
  id?: number | string;
}

/**
 * Puts `view.length` bytes of page content, from byte `offset` of what was asked for, into `view`. The view may
 * lie in the memory of the core: it holds during the call only, and the call must not come back to the checkpoint.
 */
export type FillPages = (view: Uint8Array, offset: number) => void;

/**
 * Takes page content that was read; `offset` counts bytes from the first page that was asked for. The view holds
 * during the call only, and nothing may be written to it.
 */
export type DrainPages = (view: Uint8Array, offset: number) => void;

/** Writes page content to byte `offset` of the open file `fd`. */
export type PutPages = (fd: number, offset: number) => void;

/** Pages in order, as the entries of one pagemap with PE_PRESENT count them. */
export interface PageSink {
  /** `pages_id` for the pagemap head. */
  readonly id: number;
  /** Appends `count` pages of 4 KiB; calls `fill` one or more times, in order, for the whole of them. */
  append(count: number, fill: FillPages): void;
  /** Appends `count` pages that `put` writes itself. Only where pages are kept as they are. */
  appendDirectly?(count: number, put: PutPages): void;
  /**
   * Appends a page for each of `frames`: what tells the memory that a page is in from all other, as long as the
   * checkpoint is being written (the number of a page frame, say, while the tasks that share it are stopped). A frame
   * that some stream has a page of is not asked for again: `fill` is called for the others. Only where equal pages are
   * kept once.
   */
  appendFrames?(frames: BigUint64Array, fill: FillPages): void;
}

export interface PageSource {
  /** Number of pages in the stream. */
  readonly length: number;
  /** Reads `count` pages from page `first` on, checks them, hands them to `drain` in order. */
  read(first: number, count: number, drain: DrainPages): void;
  /** Reads as many pages as `into` has room for, without a buffer between where that can be: `readPages` takes any source. */
  readDirectly?(first: number, into: Uint8Array): void;
  /** Where `count` pages lie, without reading them; absent where the format has each page in one place. */
  places?(first: number, count: number): PlaceCursor;
}

/** Reads whole pages from page `first` on, as many as `into` has room for. */
export function readPages(source: PageSource, first: number, into: Uint8Array): void {
  if (source.readDirectly !== undefined) source.readDirectly(first, into);
  else source.read(first, into.length / PAGE_SIZE, (view, offset) => into.set(view, offset));
}

/**
 * Goes over pages in order, from one place that some of them lie in to the next. Two pages that lie in one place, also
 * of different checkpoints, are equal.
 */
export interface PlaceCursor {
  /** Consecutive pages in the place; 0: all were gone over. */
  readonly count: number;
  /** Id of the pack; undefined: the pages are zeros, and lie nowhere. */
  readonly pack: string | undefined;
  /** Number of the first of them in the pack; 0 for zeros. */
  readonly page: number;
  /** Goes on by as many pages, at most those of the place. */
  skip(count: number): void;
}

/** Hashes of the pages of a pack. Pages of one store whose hashes differ are different. */
export interface StoredHashes {
  /** Id of the store. */
  store: string;
  /** 32-bit words of each. */
  words: number;
  /** A word of that of a page, by its number in the pack. */
  word(page: number, index: number): number;
}

/** What the pages of a checkpoint take. */
export interface PageFigures {
  /** Pages in all streams. */
  pages: number;
  /** Those of them that are all zero and not stored. */
  zero: number;
  /** Pages that are stored for it: where equal ones are found, each content once, and none that was there before. */
  kept: number;
  /** Bytes that these take. */
  bytes: number;
}

export interface CheckpointWriter {
  /** Adds one image file whole. */
  image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]): void;
  /** Begins a stream of pages, with the id that is asked for or else a free one. Several may be open. */
  pages(id?: number): PageSink;
  /** Work that is left when all was written, in steps: pages that are done. Unless it is done, `commit` does it. */
  finish?(): Generator<number, void>;
  /** Makes the checkpoint complete and durable; before this, nothing looks complete. */
  commit(): void;
  /** Removes all that was written. */
  abort(): void;
}

export interface CheckpointReader {
  readonly format: "native" | "criu";
  /** The directory, for messages. */
  readonly location: string;
  list(): ImageName[];
  has(name: ImageName): boolean;
  /** All records of an image file; a typed ImageError where it is missing or damaged. */
  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[];
  /** Bytes of an image file. */
  size(name: ImageName): number;
  /** Ids of all streams of pages. */
  streams(): number[];
  /** What all streams of pages take. */
  pageFigures(): PageFigures;
  /** The stream of pages with that `pages_id`. */
  pages(id: number): PageSource;
  /** The instance of the core that pages come through: `readPages` fills what lies in its memory without a copy. */
  readonly pagesCore?: Core;
  /** Whether it is certain, without a look at them, that no page of a pack is equal to one of another. */
  areDistinct?(pack: string, other: string): boolean;
  /** What the pages of a pack are known by in the store that it lies in; undefined where that is not to be had. */
  hashes?(pack: string): StoredHashes | undefined;
  close(): void;
}
