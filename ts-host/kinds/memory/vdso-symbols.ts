/** The dynamic symbols of a vDSO image: an ELF file in memory. */
import { ImageError } from "../../errors.ts";

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_GNU_HASH = 0x6ffffef5;
const SYMBOL_SIZE = 24;

function segments(elf: Buffer): { type: number; offset: number; address: bigint; size: number }[] {
  const table = Number(elf.readBigUInt64LE(32));
  const entrySize = elf.readUInt16LE(54);
  return Array.from({ length: elf.readUInt16LE(56) }, (_, index) => {
    const at = table + index * entrySize;
    return {
      type: elf.readUInt32LE(at),
      offset: Number(elf.readBigUInt64LE(at + 8)),
      address: elf.readBigUInt64LE(at + 16),
      size: Number(elf.readBigUInt64LE(at + 32)),
    };
  });
}

/** Number of symbols: DT_HASH says it; with DT_GNU_HASH alone it is the end of the last chain. */
function symbolCount(elf: Buffer, hash: number | undefined, gnuHash: number | undefined): number {
  if (hash !== undefined) return elf.readUInt32LE(hash + 4);
  if (gnuHash === undefined) return 0;
  const buckets = elf.readUInt32LE(gnuHash);
  const firstHashed = elf.readUInt32LE(gnuHash + 4);
  const bucketsAt = gnuHash + 16 + elf.readUInt32LE(gnuHash + 8) * 8;
  let last = 0;
  for (let index = 0; index < buckets; index++)
    last = Math.max(last, elf.readUInt32LE(bucketsAt + 4 * index));
  if (last < firstHashed) return firstHashed;
  while ((elf.readUInt32LE(bucketsAt + 4 * (buckets + last - firstHashed)) & 1) === 0) last++;
  return last + 1;
}

function parse(elf: Buffer): Map<string, number> {
  if (elf.readUInt32BE(0) !== 0x7f454c46) throw new RangeError("no ELF header");
  const load = segments(elf).find(({ type }) => type === PT_LOAD);
  const dynamic = segments(elf).find(({ type }) => type === PT_DYNAMIC);
  if (!load || !dynamic) throw new RangeError("no dynamic segment");
  const tags = new Map<number, number>();
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    tags.set(Number(elf.readBigUInt64LE(at)), Number(elf.readBigUInt64LE(at + 8) - load.address));
  }
  const strings = tags.get(DT_STRTAB);
  const table = tags.get(DT_SYMTAB);
  if (strings === undefined || table === undefined) throw new RangeError("no symbol table");
  const symbols = new Map<string, number>();
  for (let index = 1; index < symbolCount(elf, tags.get(DT_HASH), tags.get(DT_GNU_HASH)); index++) {
    const at = table + index * SYMBOL_SIZE;
    const name = strings + elf.readUInt32LE(at);
    const value = Number(elf.readBigUInt64LE(at + 8) - load.address);
    const isDefinedFunction = (elf.readUInt8(at + 4) & 15) === 2 && elf.readUInt16LE(at + 6) !== 0;
    if (isDefinedFunction) symbols.set(elf.toString("latin1", name, elf.indexOf(0, name)), value);
  }
  return symbols;
}

/** Name and offset of each function of the vDSO. */
export function vdsoSymbols(elf: Buffer): Map<string, number> {
  try {
    return parse(elf);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ImageError(`the vDSO is not a well-formed ELF image: ${error.message}`, {}, error);
  }
}
