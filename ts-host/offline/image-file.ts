/** One image by itself: a file of CRIU's, or the part of that name of a native checkpoint. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ImageError } from "../errors.ts";
import { IMAGE_KINDS, type ImageKind } from "../generated/messages.ts";
import type { ImageRecord } from "../images/checkpoint.ts";
import { InputFile } from "../images/files.ts";
import { kindOfImage, parseImageFileName, readRecords } from "../images/framing.ts";
import { isNativeName, METADATA_NAME } from "../images/native-format.ts";
import { openCheckpoint } from "../images/open.ts";
import { readWhole } from "../images/source.ts";

/** Most bytes of an image file: it is held in memory. */
const MAX_IMAGE = 2 ** 30;

export interface ImageFile {
  kind: ImageKind;
  /** Read while they are asked for. */
  records: Iterable<ImageRecord>;
  /** Bytes of the file; undefined for a part of a native checkpoint. */
  size: number | undefined;
}

/** The image in `bytes`; its header says what it is. `file` is for messages. */
export function imageIn(bytes: Uint8Array, file: string): ImageFile {
  const kind = kindOfImage(bytes);
  if (kind !== undefined && IMAGE_KINDS[kind].messages.length > 0)
    return { kind, records: readRecords(kind, bytes, file), size: bytes.length };
  const expected = parseImageFileName(basename(file))?.kind;
  if (bytes.length === 0) throw new ImageError("is empty", { file });
  if (expected !== undefined && IMAGE_KINDS[expected].messages.length === 0)
    throw new ImageError("holds raw bytes, not records", { file });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const magic = bytes.length < 4 ? "" : `, its first word is 0x${view.getUint32(0, true).toString(16)}`;
  throw new ImageError(`not an image file of CRIU${magic}`, { file, offset: 0 });
}

/** Opens `path`: an image file, or `DIRECTORY/core-812.img` where the directory has a native checkpoint. */
export function openImage(path: string): ImageFile {
  const directory = dirname(path);
  const name = parseImageFileName(basename(path));
  if (name !== undefined && !existsSync(path) && existsSync(join(directory, METADATA_NAME))) {
    const reader = openCheckpoint(directory);
    try {
      return { kind: name.kind, records: reader.read(name), size: undefined };
    } finally {
      reader.close();
    }
  }
  if (isNativeName(basename(path))) {
    throw new ImageError("a part of a native checkpoint, which holds many images", {
      file: path,
      hint: `name one of them, as ${join(directory, "pstree.img")}`,
    });
  }
  return imageIn(readWhole(new InputFile(path), MAX_IMAGE), path);
}
