/** A checkpoint from one format to the other, nothing lost: the images, record by record, and the pages. */
import type { CheckpointReader, CheckpointWriter } from "../images/checkpoint.ts";
import { copyCheckpoint } from "./copy.ts";

/** Copies everything and commits; on failure, removes what was written and throws. */
export function convert(reader: CheckpointReader, writer: CheckpointWriter): void {
  const steps = copyCheckpoint(reader, writer);
  while (!steps.next().done);
}
