/**
 * A checkpoint in a tar archive, plain or compressed with gzip, as container engines export it. An archive can
 * only be read from its beginning to its end, so its files are put aside first, on disk, and read there.
 */

import { createTarDecoder } from "modern-tar";
import { Spool } from "#platform";
import { CriuWasmError, ImageError, UnsupportedError } from "../errors.ts";
import { Checkpoint } from "./checkpoint.ts";
import { FileTree } from "./file-tree.ts";

export interface ArchiveOptions {
  /** For messages: the path of the archive. */
  location?: string;
  /** Folder of the checkpoint in the archive; needed only where it holds several. */
  folder?: string;
  /** Most bytes that its files may have together, unpacked: more is taken for a bomb. 64 GiB unless said. */
  maximumSize?: number;
  /** Most entries that it may have. 100,000 unless said. */
  maximumEntries?: number;
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
    let size = 0;
    const fail = (message: string): never => {
      throw new ImageError(message, { file: location });
    };
    for await (const { header, body } of readEntries(await decompressed(stream, location))) {
      if (++entries > maximumEntries) fail(`more than ${maximumEntries} entries`);
      if (header.type === "symlink") tree.addLink(header.name, header.linkname ?? "");
      if (header.type !== "file") {
        await body.cancel();
        continue;
      }
      const offset = spool.length;
      size += header.size;
      if (size > maximumSize) fail(`unpacks to more than ${maximumSize} bytes`);
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

function readEntries(stream: ReadableStream<Uint8Array>) {
  return chunksOf(stream.pipeThrough(createTarDecoder({ strict: true })));
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

/** Looks at the first bytes of the stream, and puts a decompressor behind it where they ask for one. */
async function decompressed(
  stream: ReadableStream<Uint8Array>,
  location: string,
): Promise<ReadableStream<Uint8Array>> {
  const chunks = chunksOf(stream);
  let start = new Uint8Array(0);
  while (start.length < 4) {
    const { done, value } = await chunks.next();
    if (done) break;
    const longer = new Uint8Array(start.length + value.length);
    longer.set(start);
    longer.set(value, start.length);
    start = longer;
  }
  if (startsWith(start, ZSTD)) {
    await chunks.return(undefined);
    throw new UnsupportedError("an archive compressed with zstd: not supported yet", {
      file: location,
      hint: "unpack it with zstd -d",
    });
  }
  const whole = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(start),
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => void (await chunks.return(undefined)),
  });
  if (!startsWith(start, GZIP)) return whole;
  return whole.pipeThrough(gunzip());
}
