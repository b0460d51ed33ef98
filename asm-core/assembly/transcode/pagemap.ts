/**
 * The common form of pagemap entries, many at a time: framed records `u32 size, pagemap_entry` as CRIU 4 writes
 * them, to and from rows of 24 bytes: u64 vaddr, u64 nr_pages, u32 flags, u32 zero. A record is in the common
 * form when it has vaddr, compat_nr_pages 0, flags and nr_pages, in that order, in the shortest encoding, and
 * nothing else: rows then give the same bytes again.
 */

export const ROW: usize = 24;
/** The longest record: size, four tags, varints of 10, 1, 5 and 10 bytes. */
export const LONGEST_RECORD: usize = 4 + 4 + 10 + 1 + 5 + 10;

const VADDR: u8 = 0x08;
const COMPAT_NR_PAGES: u8 = 0x10;
const FLAGS: u8 = 0x20;
const NR_PAGES: u8 = 0x28;

let varint: u64 = 0;

/** Where the records that `readRows` took end. */
export let recordsEnd: usize = 0;

/** Reads records until `end`, the first in another form, or one that is not whole; returns the end of the rows. */
export function readRows(from: usize, end: usize, rows: usize): usize {
  let at = from;
  while (end - at >= 4) {
    const size = <usize>load<u32>(at);
    if (size > end - at - 4 || !readRow(at + 4, at + 4 + size, rows)) break;
    at += 4 + size;
    rows += ROW;
  }
  recordsEnd = at;
  return rows;
}

/** Whether the bytes are an entry of the common form, which is then in the row. */
function readRow(start: usize, end: usize, row: usize): bool {
  let at = readField(VADDR, start, end);
  if (!at) return false;
  store<u64>(row, varint);
  at = readField(COMPAT_NR_PAGES, at, end);
  if (!at || varint != 0) return false;
  at = readField(FLAGS, at, end);
  if (!at || varint > u32.MAX_VALUE) return false;
  store<u64>(row, varint, 16);
  at = readField(NR_PAGES, at, end);
  store<u64>(row, varint, 8);
  return at == end;
}

/** The address after the field; 0 where there is another, or not the shortest varint. */
function readField(tag: u8, start: usize, end: usize): usize {
  if (start >= end || load<u8>(start) != tag) return 0;
  let value: u64 = 0;
  let shift: u64 = 0;
  for (let at = start + 1; at < end && shift < 64; shift += 7) {
    const byte = load<u8>(at++);
    value |= <u64>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) return 0;
    varint = value;
    return at;
  }
  return 0;
}

/** Returns the address after the records. */
export function writeRows(rows: usize, count: u32, to: usize): usize {
  let at = to;
  for (; count > 0; count--, rows += ROW) {
    const start = at + 4;
    let next = writeField(VADDR, load<u64>(rows), start);
    next = writeField(COMPAT_NR_PAGES, 0, next);
    next = writeField(FLAGS, <u64>load<u32>(rows, 16), next);
    next = writeField(NR_PAGES, load<u64>(rows, 8), next);
    store<u32>(at, <u32>(next - start));
    at = next;
  }
  return at;
}

function writeField(tag: u8, value: u64, at: usize): usize {
  store<u8>(at++, tag);
  while (value >= 0x80) {
    store<u8>(at++, <u8>value | 0x80);
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return at + 1;
}
