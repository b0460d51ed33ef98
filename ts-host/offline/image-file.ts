/** One image by itself: a file of CRIU's, or the part of that name of a native checkpoint. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ImageError } from "../errors.ts";
import { IMAGE_KINDS, type ImageKind } from "../generated/messages.ts";
import type { ImageRecord } from "../images/checkpoint.ts";
import { InputFile } from "../images/files.ts";
import { FramedFile, kindOfImage, parseImageFileName, readRecords } from "../images/framing.ts";
import { jsonOf, jsonOfFile } from "../images/json/to-json.ts";
import { isNativeName, METADATA_NAME } from "../images/native-format.ts";
import { openCheckpoint } from "../images/open.ts";
import { bytesFile, type RandomFile, readWhole } from "../images/source.ts";

/** Most bytes of an image file: it is held in memory. */
const MAX_IMAGE = 2 ** 30;
const ARCHIVE = /\.(tar|t?gz|zst|tzst)$/i;
/** Bytes that say what an image is. */
const HEADER = 8;

export interface ImageFile {
  kind: ImageKind;
  /** Read while they are asked for; none of raw bytes. */
  readonly records: Iterable<ImageRecord>;
  /** Bytes. */
  size: number;
  /** As crit prints it, in parts that hold until the next is asked for. */
  json(pretty: boolean): Iterable<string | Uint8Array>;
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

/** Whether something else than messages is in the records of that kind. */
const hasPayload = (kind: ImageKind) => "payload" in IMAGE_KINDS[kind];

/** The image in a file, which is closed when it was read; its header says what it is. */
function imageIn(file: RandomFile): ImageFile {
  const kind = kindIn(file);
  const records = () => readRecords(kind, readWhole(file, MAX_IMAGE), file.path);
  return {
    kind,
    size: file.length,
    get records() {
      return records();
    },
    json: (pretty) => (hasPayload(kind) ? jsonOf(kind, records(), pretty) : jsonOfFramed(kind, file, pretty)),
  };
}

function* jsonOfFramed(kind: ImageKind, file: RandomFile, pretty: boolean): Generator<string | Uint8Array> {
  try {
    yield* jsonOfFile(kind, new FramedFile(kind, file), pretty);
  } finally {
    file.close();
  }
}

function kindIn(file: RandomFile): ImageKind {
  const header = new Uint8Array(Math.min(HEADER, file.length));
  file.read(header, 0);
  const named = parseImageFileName(basename(file.path))?.kind;
  const found = kindOfImage(header);
  // Some kinds share a magic: the name then tells which it is.
  const kind = found && named && IMAGE_KINDS[named].magic === IMAGE_KINDS[found].magic ? named : found;
  if (kind !== undefined) return kind;
  file.close();
  if (file.length === 0) throw new ImageError("is empty", { file: file.path });
  const view = new DataView(header.buffer);
  const magic = header.length < 4 ? "" : `: its first word is 0x${view.getUint32(0, true).toString(16)}`;
  const hint = ARCHIVE.test(file.path)
    ? "criu-wasm convert makes a directory of images of an archive"
    : undefined;
  throw new ImageError(`not an image file of CRIU${magic}`, { file: file.path, offset: 0, hint });
}

/** The image in `bytes`; its header says what it is. `path` is for messages. */
export function imageOfBytes(bytes: Uint8Array, path: string): ImageFile {
  return imageIn(bytesFile(path, bytes));
}

function imageOfRecords(kind: ImageKind, records: ImageRecord[], size: number): ImageFile {
  return { kind, records, size, json: (pretty) => jsonOf(kind, records, pretty) };
}

/** Opens `path`: an image file, or `DIRECTORY/core-812.img` where the directory has a native checkpoint. */
export function openImage(path: string): ImageFile {
  const directory = dirname(path);
  const name = parseImageFileName(basename(path));
  if (name !== undefined && !existsSync(path) && existsSync(join(directory, METADATA_NAME))) {
    const reader = openCheckpoint(directory);
    try {
      return imageOfRecords(name.kind, reader.read(name), reader.size(name));
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
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const hint = `name an image in it, as ${join(path, "pstree.img")}`;
    throw new ImageError("a directory, not an image", { file: path, hint });
  }
  const file = new InputFile(path);
  const raw = rawKind(path);
  if (raw === undefined) return imageIn(file);
  file.close();
  return imageOfRecords(raw, [], file.length);
}
