/** Entries of pagemaps, many at a time: images of much memory have hundreds of thousands. */
import type { PagemapEntry } from "../generated/messages.ts";
import { PAGEMAP_ROW, pagemapFromRows, pagemapToRows } from "../wasm/transcoder.ts";

/** How much the core is given at once. */
const CHUNK = 1 << 20;

/** A record of a pagemap other than its head. */
export interface EntryRecord {
  message: PagemapEntry;
  payload?: Uint8Array;
}

/** Records from the start of framed ones, as far as they are of the common form, and the bytes they took. */
export function readPlainEntries(framed: Uint8Array): { records: EntryRecord[]; consumed: number } {
  const { rows, consumed } = pagemapToRows(framed.subarray(0, CHUNK));
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  const records: EntryRecord[] = [];
  for (let at = 0; at < rows.length; at += PAGEMAP_ROW) {
    const message = {
      vaddr: view.getBigUint64(at, true),
      compat_nr_pages: 0,
      flags: view.getUint32(at + 16, true),
      nr_pages: view.getBigUint64(at + 8, true),
      compressed_size: [],
    };
    records.push({ message });
  }
  return { records, consumed };
}

function isPlain({ message: entry, payload }: EntryRecord): boolean {
  return (
    payload === undefined &&
    isWord(entry.vaddr) &&
    isWord(entry.nr_pages) &&
    entry.compat_nr_pages === 0 &&
    entry.flags !== undefined &&
    entry.flags >>> 0 === entry.flags &&
    entry.compressed_size.length === 0 &&
    entry.in_parent === undefined &&
    entry.total_compressed_size === undefined &&
    entry.region_pages === undefined &&
    entry.unknown === undefined
  );
}

function isWord(value: unknown): boolean {
  return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
}

/**
 * The framed bytes of the records from `first` on, as far as they are of the common form, and how many those
 * are. The bytes are a view of the core's memory: good until the next call.
 */
export function writePlainEntries(
  records: readonly EntryRecord[],
  first: number,
): { bytes: Uint8Array; count: number } {
  const limit = Math.min(records.length - first, Math.floor(CHUNK / PAGEMAP_ROW));
  let count = 0;
  while (count < limit && isPlain(records[first + count])) count++;
  const rows = new DataView(new ArrayBuffer(PAGEMAP_ROW * count));
  for (let index = 0; index < count; index++) {
    const { vaddr, nr_pages, flags } = records[first + index].message;
    rows.setBigUint64(PAGEMAP_ROW * index, vaddr, true);
    rows.setBigUint64(PAGEMAP_ROW * index + 8, nr_pages!, true);
    rows.setUint32(PAGEMAP_ROW * index + 16, flags!, true);
  }
  return { bytes: pagemapFromRows(new Uint8Array(rows.buffer)), count };
}
