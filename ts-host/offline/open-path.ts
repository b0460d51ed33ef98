/** Opens checkpoints of the file system. */
import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { ImageError } from "../errors.ts";
import { DirectorySource } from "../images/directory.ts";
import { type ArchiveOptions, openTar } from "./archive.ts";
import { Checkpoint } from "./checkpoint.ts";

/** Opens the checkpoint in a directory. @throws ImageError where there is none, or half of one */
export function openDirectory(path: string): Checkpoint {
  return Checkpoint.open(new DirectorySource(path));
}

/** Opens what is at `path`: a directory, or a tar archive. */
export async function openPath(path: string, options: ArchiveOptions = {}): Promise<Checkpoint> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ImageError("no such file or directory", { file: path });
  if (!stat.isFile()) return openDirectory(path);
  const stream = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
  return openTar(stream, { location: path, ...options });
}
