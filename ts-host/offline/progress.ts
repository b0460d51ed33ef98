/**
 * Work that takes long is a generator: between its steps, whoever runs it can say how far it is, or end it, and
 * the `finally` blocks in it then clear up.
 */
export interface Progress {
  /** How much of `total` is done; the unit is that of the work, mostly bytes. */
  done: number;
  total: number;
}
