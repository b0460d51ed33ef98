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
  /** The pack that the last place was in. */
  #packIndex = 0;

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
    this.#extentLeft = extents[at] - skipped;
    this.#number = extents[at + 1] === ZERO_PAGE ? ZERO_PAGE : extents[at + 1] + skipped;
    this.#next();
  }

  skip(count: number): void {
    this.count -= count;
    if (this.pack !== undefined) this.page += count;
    if (this.count === 0) this.#next();
  }

  #next(): void {
    if (this.#left === 0) return;
    if (this.#extentLeft === 0) this.#nextExtent();
    const most = Math.min(this.#extentLeft, this.#left);
    this.count = this.#number === ZERO_PAGE ? this.#toZeros(most) : this.#toPack(most);
    this.#extentLeft -= this.count;
    this.#left -= this.count;
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

  #toZeros(most: number): number {
    this.pack = undefined;
    this.page = 0;
    return most;
  }

  /** As many of the pages as are in one pack. */
  #toPack(most: number): number {
    const { first, length } = this.#packWith(this.#number);
    this.pack = this.#packs.ids[this.#packIndex];
    this.page = this.#number - first;
    const count = Math.min(most, length - this.page);
    this.#number += count;
    return count;
  }

  #packWith(page: number): NumberedPack {
    const { table, path } = this.#packs;
    const last = table[this.#packIndex];
    if (page >= last.first && page < last.first + last.length) return last;
    const index = packOf(table, page);
    if (index === undefined) throw new ImageError(`there is no page ${page}`, { file: path });
    this.#packIndex = index;
    return table[index];
  }
}
