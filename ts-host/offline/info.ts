/** What a checkpoint or an image file is: format, parts, sizes, and what its pages take. */
import { IMAGE_KINDS, type ImageKind } from "../generated/messages.ts";
import type { PageFigures } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { magicName } from "../images/json/to-json.ts";
import { PE_LAZY, PE_PARENT, PE_PRESENT } from "../images/pagemap-entry.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { ImageFile } from "./image-file.ts";
import type { Progress } from "./progress.ts";

export interface ImageInfo {
  kind: ImageKind;
  /** By its magic; absent for raw bytes, which have no header. */
  magic?: string;
  /** Records; of a pagemap without its head, as crit counts. Absent for raw bytes. */
  count?: number;
  /** Bytes. */
  size: number;
}

export interface CheckpointInfo {
  format: "native" | "criu";
  /** Of the images in it, as CRIU counts. */
  imageVersion: number;
  processes: number;
  threads: number;
  images: (ImageInfo & { file: string })[];
  /** Pages by where they are: stored here, left in the checkpoint that this one continues, or served later. */
  pages: PageFigures & { inParent: number; lazy: number; pageSize: number };
  /** Whether it continues another checkpoint. */
  hasParent: boolean;
}

export function infoOfImage({ kind, records, size }: ImageFile): ImageInfo {
  let count = 0;
  for (const _ of records) count++;
  return infoOf(kind, count, size);
}

function infoOf(kind: ImageKind, records: number, size: number): ImageInfo {
  const hasHead = kind === "PAGEMAP" || kind === "SHMEM_PAGEMAP";
  return {
    kind,
    ...(IMAGE_KINDS[kind].messages.length === 0
      ? {}
      : { magic: magicName(kind), count: hasHead ? Math.max(records - 1, 0) : records }),
    size,
  };
}

/** @throws ImageError where an image is damaged */
export function* infoOfCheckpoint(checkpoint: Checkpoint): Generator<Progress, CheckpointInfo> {
  const { reader, processes } = checkpoint;
  const info: CheckpointInfo = {
    format: checkpoint.format,
    imageVersion: checkpoint.inventory.img_version,
    processes: processes.length,
    threads: processes.reduce((sum, { tids }) => sum + tids.length, 0),
    images: [],
    pages: { ...reader.pageFigures(), inParent: 0, lazy: 0, pageSize: PAGE_SIZE },
    hasParent: checkpoint.parent !== undefined,
  };
  const names = checkpoint.list();
  for (const [done, name] of names.entries()) {
    yield { done, total: names.length };
    const { kind } = name;
    const records = checkpoint.read(name).length;
    info.images.push({ file: imageFileName(name), ...infoOf(kind, records, reader.size(name)) });
    if (kind === "PAGEMAP" || kind === "SHMEM_PAGEMAP")
      addElsewhere(info, checkpoint, { kind, id: name.id! });
  }
  return info;
}

/** Pages of a pagemap that are not stored in this checkpoint. */
function addElsewhere(
  { pages }: CheckpointInfo,
  checkpoint: Checkpoint,
  name: { kind: "PAGEMAP" | "SHMEM_PAGEMAP"; id: number | string },
): void {
  const index = checkpoint.pageIndex(name);
  for (let at = 0; at < index.length; at++) {
    const { count, flags } = index.run(at);
    if (flags & PE_PRESENT) continue;
    if (flags & PE_PARENT) pages.inParent += count;
    else if (flags & PE_LAZY) pages.lazy += count;
  }
}
