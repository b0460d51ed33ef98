/**
 * A checkpoint written anew with changes: paths, addresses, pids and the like. Each change is looked at before
 * anything is written; what cannot be changed safely is refused with the reason.
 */
import { UsageError } from "../../errors.ts";
import type { ImageKind } from "../../generated/messages.ts";
import type { CheckpointWriter, ImageName, ImageRecord } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { copyCheckpoint } from "../copy.ts";
import type { Progress } from "../progress.ts";
import type { Edit, Transform } from "./transform.ts";

export { changeCgroup, changeExternal, changeHostname, changeLimit } from "./environment.ts";
export { changeDirectories, changeOpenFlags, changePath } from "./paths.ts";
export { shiftPids } from "./pids.ts";
export { changeAddress, changePort } from "./sockets.ts";
export { type Edit, replacement, type Transform } from "./transform.ts";

/** Images that no transform looks at, and that may be large. */
const UNTOUCHED: ImageKind[] = ["PAGEMAP", "SHMEM_PAGEMAP"];

/**
 * What the transforms would change, image by image. @throws UnsupportedError for what cannot be changed safely,
 * UsageError for a transform that finds nothing to change
 */
export function* planRewrite(
  checkpoint: Checkpoint,
  transforms: readonly Transform[],
): Generator<Progress, Edit[]> {
  if (transforms.length === 0) throw new UsageError("there is nothing to change");
  for (const transform of transforms) transform.check?.(checkpoint);
  const edits: Edit[] = [];
  const idle = new Set(transforms);
  const names = checkpoint.list();
  for (const [done, name] of names.entries()) {
    yield { done, total: names.length };
    if (UNTOUCHED.includes(name.kind)) continue;
    for (const transform of apply(name, checkpoint.read(name), transforms, edits)) idle.delete(transform);
  }
  for (const { name } of idle) throw new UsageError(`${name}: nothing in the checkpoint is affected by it`);
  return edits;
}

/** Changes records in place; yields the transforms that have changed something. */
function* apply(
  name: ImageName,
  records: ImageRecord[],
  transforms: readonly Transform[],
  edits: Edit[],
): Generator<Transform> {
  const file = imageFileName(name);
  for (const transform of transforms) {
    const before = edits.length;
    transform.image?.(name, records, (record, field, old, young) => {
      edits.push({ file, record, field, before: String(old), after: String(young) });
    });
    if (edits.length > before) yield transform;
  }
}

/** Writes the changed checkpoint and commits; `planRewrite` has looked at the transforms. */
export function* rewrite(
  checkpoint: Checkpoint,
  writer: CheckpointWriter,
  transforms: readonly Transform[],
): Generator<Progress, void> {
  yield* copyCheckpoint(checkpoint.reader, writer, {
    image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]) {
      for (const _ of apply(name, records as ImageRecord[], transforms, []));
      const renamed = transforms.reduce((current, transform) => transform.rename?.(current) ?? current, name);
      return { name: renamed, records };
    },
    pages(id, first, pages) {
      for (const transform of transforms) transform.pages?.(id, first, pages);
    },
  });
}
