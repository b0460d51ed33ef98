/**
 * A checkpoint in a tar archive, plain or compressed with gzip or zstd, as container engines export it. An archive
 * can only be read from its beginning to its end, so its files are put aside first, on disk, and read there.
 */

import { createTarDecoder } from "modern-tar";
import { Spool } from "#platform";
import { CriuWasmError, ImageError } from "../errors.ts";
import { Checkpoint } from "./checkpoint.ts";
import { FileTree } from "./file-tree.ts";
import { unzstd } from "./unzstd.ts";

export interface ArchiveOptions {
  /** For messages: the path of the archive. */
  location?: string;
  /** Folder of the checkpoint in the archive; needed only where it holds several. */
  folder?: string;
  /** Most bytes that it may have, unpacked: more is taken for a bomb. 64 GiB unless said. */
  maximumSize?: number;
  /** Most entries that it may have. 100,000 unless said. */
  maximumEntries?: number;
  /** Told again and again how many bytes of the archive, as it is, have been read. */
  onRead?: (bytes: number) => void;
}

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/**
 * Reads the whole archive. Links, devices and whatever else is no plain file are not followed, nor created.
 * @throws ImageError where it is damaged, leads out of itself, is too large, or holds no checkpoint
 */
export async function openTar(
  stream: ReadableStream<Uint8Array>,
  options: ArchiveOptions = {},
): Promise<Checkpoint> {
  const { location = "archive", folder, maximumSize = 64 * 2 ** 30, maximumEntries = 100_000 } = options;
  const tree = new FileTree(location);
  const spool = new Spool();
  try {
    let entries = 0;
    const unpacked = limited(
      await decompressed(counted(chunksOf(stream), options), location),
      maximumSize,
      location,
    );
    for await (const { header, body } of readEntries(unpacked)) {
      if (++entries > maximumEntries)
        throw new ImageError(`more than ${maximumEntries} entries`, { file: location });
      if (header.type === "symlink") tree.addLink(header.name, header.linkname ?? "");
      if (header.type !== "file") {
        await body.cancel();
        continue;
      }
      const offset = spool.length;
      if (offset + header.size > maximumSize) throw tooLarge(maximumSize, location);
      for await (const chunk of chunksOf(body)) spool.append(chunk);
      const length = spool.length - offset;
      tree.add(header.name, () => spool.open(`${location}:${header.name}`, offset, length));
    }
    spool.finish();
    return Checkpoint.open(tree.checkpoint(folder), () => spool.close());
  } catch (error) {
    spool.close();
    if (error instanceof CriuWasmError) throw error;
    throw new ImageError(
      `not a tar archive, or damaged: ${(error as Error).message}`,
      { file: location },
      error,
    );
  }
}

type Chunks = AsyncGenerator<Uint8Array, void>;

async function* chunksOf<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The other way round; whoever reads sets the pace. */
function streamOf(chunks: Chunks): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => void (await chunks.return()),
  });
}

function readEntries(chunks: Chunks) {
  return chunksOf(streamOf(chunks).pipeThrough(createTarDecoder({ strict: true })));
}

async function* counted(chunks: Chunks, { onRead }: ArchiveOptions): Chunks {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    onRead?.(bytes);
    yield chunk;
  }
}

function tooLarge(maximumSize: number, location: string): ImageError {
  return new ImageError(`unpacks to more than ${maximumSize} bytes`, { file: location });
}

async function* limited(chunks: Chunks, maximumSize: number, location: string): Chunks {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maximumSize) throw tooLarge(maximumSize, location);
    yield chunk;
  }
}

/** The types of the standard streams do not say that these are of bytes. */
function gunzip() {
  return new DecompressionStream("gzip") as unknown as {
    readable: ReadableStream<Uint8Array>;
    writable: WritableStream<Uint8Array>;
  };
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** Looks at the first bytes, and puts a decompressor behind them where they ask for one. */
async function decompressed(chunks: Chunks, location: string): Promise<Chunks> {
  let start = new Uint8Array(0);
  while (start.length < 4) {
    const { done, value } = await chunks.next();
    if (done) break;
    const longer = new Uint8Array(start.length + value.length);
    longer.set(start);
    longer.set(value, start.length);
    start = longer;
  }
  const whole = (async function* (): Chunks {
    yield start;
    yield* chunks;
  })();
  if (startsWith(start, ZSTD)) return unzstd(whole, location);
  return startsWith(start, GZIP) ? chunksOf(streamOf(whole).pipeThrough(gunzip())) : whole;
}
