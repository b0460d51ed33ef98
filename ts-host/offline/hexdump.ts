/** Memory as people look at it: address, bytes, characters; lines that repeat are one star. */
import { ImageError } from "../errors.ts";
import type { Memory, Piece } from "./memory.ts";
import { drainPiece, inParts } from "./memory.ts";
import type { Process } from "./process.ts";

const WIDTH = 16;
const PAGE = 4096n;
/** Pages that are read at once. */
const STEP_PAGES = 256;

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".";
}

/** One line of at most 16 bytes, as hexdump -C prints it. */
export function hexLine(address: bigint, bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const left = digits.slice(0, 8).join(" ").padEnd(23);
  const right = digits.slice(8).join(" ").padEnd(23);
  const characters = Array.from(bytes, printable).join("");
  return `${address.toString(16).padStart(12, "0")}  ${left}  ${right}  |${characters}|`;
}

/** The lines for `length` bytes from `address` on; what is not in the images is said in one line. */
export function* hexdump(process: Process, address: bigint, length: bigint): Generator<string> {
  const end = address + length;
  for (let at = address; at < end; ) {
    const mapping = process.mappingAt(at);
    if (mapping === undefined) {
      const next = process.mappings.find(({ start, kind }) => start > at && kind !== "guard")?.start ?? end;
      const until = next < end ? next : end;
      yield `${at.toString(16).padStart(12, "0")}  -- nothing is mapped up to ${until.toString(16)} --`;
      at = until;
      continue;
    }
    const until = mapping.end < end ? mapping.end : end;
    for (const piece of process.memory.piecesOf(mapping, at, until)) yield* linesOf(process.memory, piece);
    at = until;
  }
}

function* linesOf(memory: Memory, piece: Piece): Generator<string> {
  const { start, end, content } = piece;
  if (content.is === "outside") {
    yield `${start.toString(16).padStart(12, "0")}  -- ${end - start} bytes not in the images: ${content.why} --`;
    return;
  }
  const lines = new Lines();
  if (content.is === "stored") {
    for (const part of inParts(piece, STEP_PAGES)) {
      yield* lines.add(part.start, memory.read(part.start, Number(part.end - part.start)), part.end === end);
    }
  } else {
    // Zeros between the first page and the last look all the same.
    const first = start + PAGE < end ? start + PAGE : end;
    yield* lines.add(start, new Uint8Array(Number(first - start)), first === end);
    const last = end - PAGE > first ? end - PAGE : first;
    yield* lines.add(last, new Uint8Array(Number(end - last)), true);
  }
}

/** Leaves out lines that are as the one before. */
class Lines {
  #last = "";
  #starred = false;

  /** `isLast`: nothing follows, and the last line is shown, so that one sees where it ends. */
  *add(address: bigint, bytes: Uint8Array, isLast: boolean): Generator<string> {
    for (let at = 0; at < bytes.length; ) {
      // Lines begin at multiples of 16.
      const room = WIDTH - ((Number(address % BigInt(WIDTH)) + at) % WIDTH);
      const line = hexLine(address + BigInt(at), bytes.subarray(at, at + room));
      at += room;
      const repeats = line.slice(12) === this.#last && !(isLast && at >= bytes.length);
      if (!repeats) yield line;
      else if (!this.#starred) yield "*";
      this.#starred = repeats;
      this.#last = line.slice(12);
    }
  }
}

/** A piece as raw bytes, zeros included; `write` gets them in order. */
export function writeRaw(piece: Piece, write: (bytes: Uint8Array) => void): void {
  if (piece.content.is === "stored") drainPiece(piece, write);
  else write(new Uint8Array(Number(piece.end - piece.start)));
}

/** A line of a hexdump, or why there is none. */
export interface HexdumpRow {
  address: string;
  line?: string;
  missing?: string;
}

/** So many lines from `address` on, each of 16 bytes, none left out: for those who look at one window of memory. */
export function* hexdumpRows(process: Process, address: bigint, rows: number): Generator<HexdumpRow> {
  for (let row = 0; row < rows; row++) {
    const at = address + BigInt(row * WIDTH);
    const text = at.toString(16);
    try {
      yield { address: text, line: hexLine(at, process.memory.read(at, WIDTH)) };
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      yield { address: text, missing: error.message.replace(/^address 0x[0-9a-f]+: /, "") };
    }
  }
}
