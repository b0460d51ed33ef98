/**
 * Damage that no image shows by itself. CRIU's images have neither counts nor checksums: one that was cut between
 * two records looks whole. What can be known is told before anything is made. A native checkpoint has a digest
 * over all of it and needs none of this.
 */
import { ImageError } from "../errors.ts";
import { type FileEntry, type ImageKind, type MessageOf, RemapType } from "../generated/messages.ts";
import type { CheckpointReader, ImageName } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { onlyMessage } from "../images/only-message.ts";
import { is, VMA_FILE_PRIVATE, VMA_FILE_SHARED, VMA_MEMFD } from "../kinds/memory/vma.ts";

const IMAGE_VERSIONS = [1, 2];
/** Large, or many, and read by the restore itself in any case. */
const READ_LATER: readonly ImageKind[] = ["CORE", "PAGEMAP", "SHMEM_PAGEMAP", "GHOST_FILE"];

/** By kind of image, the files (their ids) that a message refers to. */
const REFERENCES: { [K in ImageKind]?: (message: MessageOf<K>) => number[] } = {
  FDINFO: ({ id }) => [id],
  FILES: ({ tty, fifo }) => [tty?.regf_id, fifo?.regf_id].filter((id) => id !== undefined),
  FS: ({ cwd_id, root_id }) => [cwd_id, root_id],
  MM: ({ exe_file_id, vmas }) => [
    exe_file_id,
    ...vmas
      .filter((vma) => is(vma, VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_MEMFD))
      .map(({ shmid }) => Number(shmid)),
  ],
  REMAP_FPATH: ({ orig_id, remap_id, remap_type = RemapType.LINKED }) =>
    remap_type === RemapType.LINKED ? [orig_id, remap_id] : [orig_id],
  SK_QUEUES: ({ scm }) => scm.flatMap(({ rights }) => rights),
};

/** The files that an image refers to. @throws ImageError where one of them is not there */
function referencesOf<K extends ImageKind>(
  reader: CheckpointReader,
  name: ImageName<K>,
  files: ReadonlyMap<number, FileEntry>,
): number[] {
  const of = REFERENCES[name.kind];
  return reader.read(name).flatMap(({ message }, record) => {
    const ids = of?.(message) ?? [];
    const missing = ids.find((id) => !files.has(id));
    if (missing === undefined) return ids;
    const file = imageFileName(name);
    throw new ImageError(`refers to file ${missing}, which files.img does not have`, { file, record });
  });
}

/** @throws ImageError where something is missing, cannot be read, or is used by nothing */
export function checkSoundness(reader: CheckpointReader, files: ReadonlyMap<number, FileEntry>): void {
  const { img_version } = onlyMessage(reader, { kind: "INVENTORY" });
  if (!IMAGE_VERSIONS.includes(img_version)) {
    const place = { file: imageFileName({ kind: "INVENTORY" }), record: 0, field: "img_version" };
    throw new ImageError(`version ${img_version} of the images is not known`, place);
  }
  if (reader.format === "native") return;
  const images = reader.list().filter(({ kind }) => !READ_LATER.includes(kind));
  const used = new Set(images.flatMap((name) => referencesOf(reader, name, files)));
  [...files.keys()].forEach((id, record) => {
    if (used.has(id)) return;
    throw new ImageError(`file ${id} is used by nothing: an image that names it was cut, or is missing`, {
      file: imageFileName({ kind: "FILES" }),
      record,
    });
  });
}
