/** Hands out the ids of page streams: those that are asked for, else the lowest that is free, from 1. */
export class StreamIds {
  readonly #taken = new Set<number>();

  take(wanted?: number): number {
    let id = wanted ?? 1;
    if (wanted === undefined) while (this.#taken.has(id)) id++;
    else if (this.#taken.has(id)) throw new Error(`page stream ${id} is there already`);
    this.#taken.add(id);
    return id;
  }
}
