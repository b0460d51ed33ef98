/** Lists of address ranges, each in order of address and without overlaps. */
import type { Range } from "./memory.ts";

/** Appends a range; one that begins where the last ends makes that longer. */
export function append(ranges: Range[], start: bigint, end: bigint): void {
  const last = ranges.at(-1);
  if (last && last.end === start) last.end = end;
  else ranges.push({ start, end });
}

/** What each of `ranges` has in common with each of `windows`. */
export function* intersections<W extends Range>(
  ranges: readonly Range[],
  windows: readonly W[],
): Generator<Range & { window: W }> {
  let first = 0;
  for (const window of windows) {
    while (first < ranges.length && ranges[first]!.end <= window.start) first++;
    for (let at = first; at < ranges.length && ranges[at]!.start < window.end; at++) {
      const range = ranges[at]!;
      yield {
        start: range.start > window.start ? range.start : window.start,
        end: range.end < window.end ? range.end : window.end,
        window,
      };
    }
  }
}

/** Hands out the addresses of ranges one after the other, as many bytes at a time as are asked for. */
export class RangeCursor {
  private readonly ranges: readonly Range[];
  private next = 0;
  /** How much of the next range was handed out. */
  private taken = 0n;

  constructor(ranges: readonly Range[]) {
    this.ranges = ranges;
  }

  take(bytes: number): Range[] {
    const parts: Range[] = [];
    for (let wanted = BigInt(bytes); wanted > 0n; ) {
      const range = this.ranges[this.next]!;
      const start = range.start + this.taken;
      const left = range.end - start;
      const length = left < wanted ? left : wanted;
      parts.push({ start, end: start + length });
      wanted -= length;
      this.taken += length;
      if (length < left) break;
      this.next++;
      this.taken = 0n;
    }
    return parts;
  }
}
