/** Opens the checkpoint of a directory. */
import type { CheckpointReader } from "./checkpoint.ts";
import { DirectorySource } from "./directory.ts";
import { openSource } from "./open-source.ts";

/**
 * Finds out which format the checkpoint in `directory` has; an ImageError when there is none, or half of one.
 * `store`: where its page store is, if not where the checkpoint says.
 */
export function openCheckpoint(directory: string, store?: string): CheckpointReader {
  return openSource(new DirectorySource(directory, store));
}
