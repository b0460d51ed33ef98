/**
 * A process of a checkpoint as an ELF core file, as the kernel writes one when a program crashes: for debuggers.
 * What the images do not hold, the unchanged pages of mapped files, is not in it either: a debugger takes these
 * from the files themselves.
 */
import { UnsupportedError } from "../../errors.ts";
import {
  ET_CORE,
  EV_CURRENT,
  elfHeader,
  PF_R,
  PF_W,
  PF_X,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  programHeader,
  sectionHeader,
} from "../../kernel/abi/elf.ts";
import type { Mapping } from "../mapping.ts";
import { drainPiece, inParts, type Piece } from "../memory.ts";
import { PAGE_SIZE } from "../page-index.ts";
import type { Process } from "../process.ts";
import type { Progress } from "../progress.ts";
import { encodeNotes, notesOf } from "./notes.ts";

const PAGE = BigInt(PAGE_SIZE);
const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
/** Runs of memory that nobody wrote to are zeros in the file up to this length, and left out above it. */
const MOST_ZEROS = 64n << 20n;

/** Pages between two moments at which the work can be interrupted. */
const PAGES_A_STEP = 4096;

/** Where a core file is written to, from its beginning to its end. */
export interface CoreSink {
  write(bytes: Uint8Array): void;
  /** Leaves out bytes, which read as zeros. */
  skip(count: number): void;
}

export interface CoreSummary {
  threads: number;
  /** Segments of memory in the file. */
  segments: number;
  /** Bytes of memory that are in the file. */
  bytes: number;
}

/** A range of memory with one program header: in the file as a whole, or not at all. */
interface Segment {
  mapping: Mapping;
  start: bigint;
  end: bigint;
  isInFile: boolean;
  pieces: Piece[];
}

/** Writes the core file of a process. @throws UnsupportedError for a zombie, and for machines that are not known */
export function* writeCore(process: Process, sink: CoreSink): Generator<Progress, CoreSummary> {
  if (!process.hasResources) {
    throw new UnsupportedError("a zombie has no memory and no registers", { pid: process.pid });
  }
  const { machine, notes } = notesOf(process);
  const encoded = encodeNotes(notes);
  const segments = segmentsOf(process);
  const count = segments.length + 1;
  const sections = count >= PN_XNUM ? 1 : 0;
  const headers = elfHeader.size + count * programHeader.size + sections * sectionHeader.size;
  const notesEnd = headers + encoded.length;
  const memoryStart = Math.ceil(notesEnd / PAGE_SIZE) * PAGE_SIZE;

  sink.write(fileHeader(machine, count));
  sink.write(
    programHeader.pack({
      p_type: PT_NOTE,
      p_offset: BigInt(headers),
      p_filesz: BigInt(encoded.length),
      p_align: 4n,
    }),
  );
  let offset = BigInt(memoryStart);
  for (const segment of segments) {
    sink.write(segmentHeader(segment, offset));
    if (segment.isInFile) offset += segment.end - segment.start;
  }
  if (sections > 0) sink.write(sectionHeader.pack({ sh_info: count }));
  sink.write(encoded);
  sink.skip(memoryStart - notesEnd);
  const total = Number(offset) - memoryStart;
  yield* writeMemory(segments, sink, total);
  return { threads: process.tids.length, segments: segments.length, bytes: total };
}

function fileHeader(machine: number, count: number): Uint8Array {
  const ident = new Uint8Array(16);
  ident.set([...MAGIC, ELFCLASS64, ELFDATA2LSB, EV_CURRENT]);
  const many = count >= PN_XNUM;
  return elfHeader.pack({
    e_ident: ident,
    e_type: ET_CORE,
    e_machine: machine,
    e_version: EV_CURRENT,
    e_phoff: BigInt(elfHeader.size),
    e_shoff: many ? BigInt(elfHeader.size + count * programHeader.size) : 0n,
    e_ehsize: elfHeader.size,
    e_phentsize: programHeader.size,
    e_phnum: many ? PN_XNUM : count,
    e_shentsize: many ? sectionHeader.size : 0,
    e_shnum: many ? 1 : 0,
  });
}

function segmentHeader({ mapping, start, end, isInFile }: Segment, offset: bigint): Uint8Array {
  const [read, write, execute] = mapping.protection;
  const size = end - start;
  return programHeader.pack({
    p_type: PT_LOAD,
    p_flags: (read === "r" ? PF_R : 0) | (write === "w" ? PF_W : 0) | (execute === "x" ? PF_X : 0),
    p_offset: offset,
    p_vaddr: start,
    p_filesz: isInFile ? size : 0n,
    p_memsz: size,
    p_align: PAGE,
  });
}

/** Neighbouring pieces of a mapping that are in the file become one segment, and so do those that are not. */
function segmentsOf(process: Process): Segment[] {
  const segments: Segment[] = [];
  for (const mapping of process.mappings) {
    const isReserved = mapping.protection.startsWith("---");
    for (const piece of process.memory.piecesOf(mapping)) {
      const { start, end, content } = piece;
      const isInFile =
        content.is === "stored" || (content.is === "zero" && !isReserved && end - start <= MOST_ZEROS);
      const last = segments.at(-1);
      if (last?.mapping === mapping && last.isInFile === isInFile) {
        last.end = end;
        last.pieces.push(piece);
      } else {
        segments.push({ mapping, start, end, isInFile, pieces: [piece] });
      }
    }
  }
  return segments;
}

function* writeMemory(segments: readonly Segment[], sink: CoreSink, total: number): Generator<Progress> {
  let done = 0;
  for (const { isInFile, pieces } of segments) {
    if (!isInFile) continue;
    for (const whole of pieces) {
      for (const part of inParts(whole, PAGES_A_STEP)) {
        yield { done, total };
        if (part.content.is === "stored") drainPiece(part, (view) => sink.write(view));
        else sink.skip(Number(part.end - part.start));
        done += Number(part.end - part.start);
      }
    }
  }
}
