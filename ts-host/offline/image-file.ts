/** One image by itself: a file of CRIU's, or the part of that name of a native checkpoint. */
import { existsSync, statSync } from "node:fs";
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
/** Bytes that say what an image is. */
const HEADER = 8;

export interface ImageFile {
  kind: ImageKind;
  /** Read while they are asked for; none of raw bytes. */
  records: Iterable<ImageRecord>;
  /** Bytes. */
  size: number;
}

/** Raw bytes, without header and records, by the name of the file. */
function rawKind(file: string): ImageKind | undefined {
  const kind = parseImageFileName(basename(file))?.kind;
  return kind !== undefined && IMAGE_KINDS[kind].messages.length === 0 ? kind : undefined;
}

/** Whether `path` names one image, and not a checkpoint in a directory or an archive. */
export function namesImage(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return false;
  if (parseImageFileName(basename(path)) !== undefined || isNativeName(basename(path))) return true;
  if (!stat?.isFile() || stat.size < HEADER) return false;
  const file = new InputFile(path);
  const header = new Uint8Array(HEADER);
  file.read(header, 0);
  file.close();
  return kindOfImage(header) !== undefined;
}

/** The image in `bytes`; its header says what it is. `file` is for messages. */
export function imageIn(bytes: Uint8Array, file: string): ImageFile {
  const named = parseImageFileName(basename(file))?.kind;
  const found = kindOfImage(bytes);
  // Some kinds share a magic: the name then tells which it is.
  const kind = found && named && IMAGE_KINDS[named].magic === IMAGE_KINDS[found].magic ? named : found;
  if (kind !== undefined) return { kind, records: readRecords(kind, bytes, file), size: bytes.length };
  if (bytes.length === 0) throw new ImageError("is empty", { file });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const magic = bytes.length < 4 ? "" : `: its first word is 0x${view.getUint32(0, true).toString(16)}`;
  throw new ImageError(`not an image file of CRIU${magic}`, { file, offset: 0 });
}

/** Opens `path`: an image file, or `DIRECTORY/core-812.img` where the directory has a native checkpoint. */
export function openImage(path: string): ImageFile {
  const directory = dirname(path);
  const name = parseImageFileName(basename(path));
  if (name !== undefined && !existsSync(path) && existsSync(join(directory, METADATA_NAME))) {
    const reader = openCheckpoint(directory);
    try {
      return { kind: name.kind, records: reader.read(name), size: reader.size(name) };
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
  const file = new InputFile(path);
  const raw = rawKind(path);
  if (raw === undefined) return imageIn(readWhole(file, MAX_IMAGE), path);
  file.close();
  return { kind: raw, records: [], size: file.length };
}
