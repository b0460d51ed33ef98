/** Going over the places of a stream's pages, by the extents of its index. */
import { ImageError } from "../errors.ts";
import type { PlaceCursor } from "../images/checkpoint.ts";
import { ZERO_PAGE } from "../wasm/pages.ts";
import { type NumberedPack, packOf } from "./page-table.ts";

/** The packs of a checkpoint. */
export interface Packs {
  table: readonly NumberedPack[];
  /** Their ids in digits. */
  ids: readonly string[];
  /** For messages. */
  path: string;
}

/** Extents of a block of the index, from one of them on. */
export interface ExtentsFrom {
  extents: Uint32Array;
  at: number;
  /** Pages of the first of them that are passed over. */
  skipped: number;
}

export class Places implements PlaceCursor {
  count = 0;
  pack: string | undefined;
  page = 0;
  readonly #packs: Packs;
  readonly #nextBlock: () => Uint32Array;
  /** Pages after those of the place. */
  #left: number;
  #extents: Uint32Array;
  #at: number;
  /** Of the extent: pages after those of the place, and the number of the first of these. */
  #extentLeft: number;
  #number: number;
  /** The pack that was needed last: its id, and the numbers of its pages. */
  #id: string | undefined;
  #packFirst = 0;
  #packEnd = 0;

  /** `count` pages, which are the first of those extents and of the blocks after them. */
  constructor(
    packs: Packs,
    { extents, at, skipped }: ExtentsFrom,
    nextBlock: () => Uint32Array,
    count: number,
  ) {
    this.#packs = packs;
    this.#nextBlock = nextBlock;
    this.#left = count;
    this.#extents = extents;
    this.#at = at;
    // What comes out of a Float64Array stays a double, and all that comes of it, for each of which V8 takes new memory.
    const passed = skipped >>> 0;
    this.#extentLeft = extents[at] - passed;
    this.#number = extents[at + 1] === ZERO_PAGE ? ZERO_PAGE : extents[at + 1] + passed;
    this.#next();
  }

  skip(count: number): void {
    this.count -= count;
    if (this.pack !== undefined) this.page += count;
    if (this.count === 0) this.#next();
  }

  // A checkpoint may have hundreds of thousands of places, most of them in two packs in turns: few calls for each.
  #next(): void {
    if (this.#left === 0) return;
    if (this.#extentLeft === 0) this.#nextExtent();
    const number = this.#number;
    let count = Math.min(this.#extentLeft, this.#left);
    if (number === ZERO_PAGE) {
      this.pack = undefined;
      this.page = 0;
    } else {
      if (number < this.#packFirst || number >= this.#packEnd) this.#findPack(number);
      count = Math.min(count, this.#packEnd - number);
      this.pack = this.#id;
      this.page = number - this.#packFirst;
      this.#number = number + count;
    }
    this.count = count;
    this.#extentLeft -= count;
    this.#left -= count;
  }

  #nextExtent(): void {
    this.#at += 2;
    if (this.#at === this.#extents.length) {
      this.#extents = this.#nextBlock();
      this.#at = 0;
    }
    this.#extentLeft = this.#extents[this.#at];
    this.#number = this.#extents[this.#at + 1];
  }

  #findPack(number: number): void {
    const { table, ids, path } = this.#packs;
    const index = packOf(table, number);
    if (index === undefined) throw new ImageError(`there is no page ${number}`, { file: path });
    const { first, length } = table[index];
    this.#id = ids[index];
    this.#packFirst = first;
    this.#packEnd = first + length;
  }
}
