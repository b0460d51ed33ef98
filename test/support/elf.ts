/** Just enough of a reader of ELF core files to check what is in one. */
import { readFileSync } from "node:fs";
import { elfHeader, PT_LOAD, PT_NOTE, programHeader } from "../../ts-host/kernel/abi/elf.ts";

export interface CoreNote {
  owner: string;
  type: number;
  content: Buffer;
}

export interface CoreFile {
  machine: number;
  notes: CoreNote[];
  segments: { address: bigint; size: bigint; flags: number; content: Buffer }[];
}

function readNotes(bytes: Buffer): CoreNote[] {
  const notes: CoreNote[] = [];
  const aligned = (length: number) => (length + 3) & ~3;
  for (let at = 0; at < bytes.length; ) {
    const [nameLength, length, type] = [0, 4, 8].map((offset) => bytes.readUInt32LE(at + offset));
    const name = bytes.subarray(at + 12, at + 12 + nameLength - 1).toString();
    const start = at + 12 + aligned(nameLength);
    notes.push({ owner: name, type, content: bytes.subarray(start, start + length) });
    at = start + aligned(length);
  }
  return notes;
}

export function readCore(path: string): CoreFile {
  const file = readFileSync(path);
  const header = elfHeader.read(file);
  const core: CoreFile = { machine: header.e_machine, notes: [], segments: [] };
  for (let index = 0; index < header.e_phnum; index++) {
    const entry = programHeader.read(file, Number(header.e_phoff) + index * programHeader.size);
    const content = file.subarray(Number(entry.p_offset), Number(entry.p_offset + entry.p_filesz));
    if (entry.p_type === PT_NOTE) core.notes.push(...readNotes(content));
    if (entry.p_type !== PT_LOAD) continue;
    core.segments.push({ address: entry.p_vaddr, size: entry.p_memsz, flags: entry.p_flags, content });
  }
  return core;
}
