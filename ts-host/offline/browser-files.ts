/** A checkpoint from the File objects of a browser: a directory that was chosen or dropped, or one archive. */
import { BlobFile } from "../platform/blob-file.ts";
import { type ArchiveOptions, openTar } from "./archive.ts";
import { Checkpoint } from "./checkpoint.ts";
import { FileTree } from "./file-tree.ts";

const ARCHIVE = /\.(tar|tar\.gz|tgz|tar\.zst|tzst)$/i;

/**
 * Opens the checkpoint in `files`: those of a directory, with `webkitRelativePath` set or the path given beside
 * each, or one tar archive. Nothing is sent anywhere. To be called in a worker.
 */
export async function openFiles(
  files: Iterable<File | readonly [path: string, file: File]>,
  options: ArchiveOptions = {},
): Promise<Checkpoint> {
  const named = [...files].map((item): readonly [string, File] =>
    item instanceof File ? [item.webkitRelativePath || item.name, item] : item,
  );
  if (named.length === 1 && ARCHIVE.test(named[0][0])) {
    const [path, file] = named[0];
    return openTar(file.stream() as ReadableStream<Uint8Array>, { location: path, ...options });
  }
  const tree = new FileTree(options.location ?? "files");
  for (const [path, file] of named) tree.add(path, () => new BlobFile(path, file));
  return Checkpoint.open(tree.checkpoint(options.folder));
}
