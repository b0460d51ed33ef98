/**
 * Decompression of a zstd stream (RFC 8878) in bounded memory: frames are walked block by block here, so that what
 * each of them asks for is known before it is given to the decoder, and no more than one block is under way.
 */
import { Decompress } from "fzstd";
import { ImageError, UnsupportedError } from "../errors.ts";
import { RunningChecksum } from "../wasm/sums.ts";

const MAGIC = 0xfd2fb528;
/** The last four bits of the magic of a frame that is to be skipped are anything. */
const SKIPPABLE_MAGIC = 0x184d2a50;
/** How far back a block may refer; the decoder's own limit. `zstd --ultra` and `--long` can go beyond. */
const MAX_WINDOW = 32 << 20;
const MAX_BLOCK = 128 << 10;

const RLE = 1;
const RESERVED = 3;

/** Bytes that come in chunks, taken in pieces of any length. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #file: string;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterator<Uint8Array>, file: string) {
    this.#chunks = chunks;
    this.#file = file;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return true;
      this.#chunk = value;
    }
    return false;
  }

  /** Up to `count` bytes, at least one. */
  async #some(count: number): Promise<Uint8Array> {
    if (await this.isAtEnd()) throw new ImageError("the zstd stream ends too early", { file: this.#file });
    const part = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async take(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count; ) {
      const part = await this.#some(count - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.#some(left)).length;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

const HAS_CHECKSUM = 4;

interface Header {
  /** As the decoder gets it: without a checksum, which is looked at here. */
  bytes: Uint8Array;
  hasChecksum: boolean;
  /** Most bytes of a block, packed or not. */
  blockSize: number;
}

/** Reads the rest of the header of a frame. @throws UnsupportedError where its window is too large, or it needs a dictionary */
async function readHeader(input: Input, magic: Uint8Array, file: string): Promise<Header> {
  const [descriptor] = await input.take(1);
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionarySize = [0, 1, 2, 4][descriptor & 3];
  const contentSizeSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const rest = await input.take((isSingle ? 0 : 1) + dictionarySize + contentSizeSize);
  if (dictionarySize > 0) throw new UnsupportedError("compressed with a dictionary: not supported", { file });
  const window = isSingle
    ? Number(littleEndian(rest)) + (contentSizeSize === 2 ? 256 : 0)
    : 2 ** (rest[0] >> 3) * (1024 + 128 * (rest[0] & 7));
  if (window > MAX_WINDOW) {
    throw new UnsupportedError(`compressed with a window of more than ${MAX_WINDOW} bytes`, {
      file,
      hint: "unpack it with zstd -d --long=31",
    });
  }
  const bytes = Uint8Array.from([...magic, descriptor & ~HAS_CHECKSUM, ...rest]);
  return { bytes, hasChecksum: (descriptor & HAS_CHECKSUM) !== 0, blockSize: Math.min(MAX_BLOCK, window) };
}

function damaged(file: string, cause?: unknown): ImageError {
  return new ImageError("the zstd stream is damaged", { file }, cause);
}

/** The content of the stream; what it yields holds until it is asked for more. @throws ImageError where it is damaged */
export async function* unzstd(chunks: AsyncIterator<Uint8Array>, file: string): AsyncGenerator<Uint8Array> {
  const input = new Input(chunks, file);
  const checksum = new RunningChecksum();
  while (!(await input.isAtEnd())) {
    const magic = await input.take(4);
    const number = Number(littleEndian(magic));
    if (number - (number & 15) === SKIPPABLE_MAGIC) {
      await input.skip(Number(littleEndian(await input.take(4))));
      continue;
    }
    if (number !== MAGIC) throw new ImageError("no zstd stream, or damaged", { file });
    const header = await readHeader(input, magic, file);
    for await (const piece of blocksOf(input, header, file)) {
      checksum.add(piece);
      yield piece;
    }
    const sum = BigInt.asUintN(32, checksum.end());
    if (header.hasChecksum && littleEndian(await input.take(4)) !== sum) {
      throw new ImageError("the zstd stream is damaged: its checksum differs", { file });
    }
  }
}

async function* blocksOf(input: Input, header: Header, file: string): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  const decoder = new Decompress((piece) => void (piece.length > 0 && pieces.push(piece)));
  decoder.push(header.bytes);
  for (let isLast = false; !isLast; ) {
    const head = await input.take(3);
    const word = Number(littleEndian(head));
    isLast = (word & 1) !== 0;
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === RESERVED || size > header.blockSize) throw damaged(file);
    const content = await input.take(type === RLE ? 1 : size);
    try {
      decoder.push(head);
      decoder.push(content, isLast);
    } catch (error) {
      throw damaged(file, error);
    }
    yield* pieces;
    pieces = [];
  }
}
