/** What a change to a checkpoint is: it looks at everything first, and then changes records as they go by. */
import { UsageError } from "../../errors.ts";
import type { FileEntry, ImageKind } from "../../generated/messages.ts";
import type { ImageName, ImageRecord } from "../../images/checkpoint.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { FILE_IMAGES, fileIn } from "../files.ts";

/** One value that is changed. */
export interface Edit {
  file: string;
  record: number;
  field: string;
  before: string;
  after: string;
}

/** Notes a change that is made. */
export type Note = (record: number, field: string, before: unknown, after: unknown) => void;

export interface Transform {
  /** As it was asked for: "path /a=/b". */
  readonly name: string;
  /** What is as it was, though a person may think that it has changed, too. */
  readonly limits?: string;
  /** Refuses what cannot be changed safely, before anything is written. */
  check?(checkpoint: Checkpoint): void;
  /** The name of an image in the new checkpoint. */
  rename?<K extends ImageKind>(name: ImageName<K>): ImageName<K>;
  /** Changes the records of an image in place. */
  image?(name: ImageName, records: ImageRecord[], note: Note): void;
  /** Changes bytes of pages in place: those of stream `id` from page `first` on. */
  pages?(id: number, first: number, pages: Uint8Array): void;
}

/** An image of one kind, with its type: `on("FS", name, records, ([{ message }]) => …)`. */
export function on<K extends ImageKind>(
  kind: K,
  name: ImageName,
  records: ImageRecord[],
  change: (records: ImageRecord<K>[]) => void,
): void {
  if (name.kind === kind) change(records as unknown as ImageRecord<K>[]);
}

/** Each open file that an image describes; `note` takes fields as files.img has them: "reg.name". */
export function onFiles(
  name: ImageName,
  records: ImageRecord[],
  note: Note,
  change: (file: FileEntry, note: (field: string, before: unknown, after: unknown) => void) => void,
): void {
  if (!FILE_IMAGES.includes(name.kind)) return;
  for (const [record, { message }] of records.entries()) {
    change(fileIn(name.kind, message), (field, before, after) =>
      note(record, name.kind === "FILES" ? field : field.replace(/^\w+\./, ""), before, after),
    );
  }
}

export interface Replacement {
  from: string;
  to: string;
}

/** `FROM=TO`. */
export function replacement(text: string): Replacement {
  const at = text.indexOf("=");
  if (at <= 0 || at === text.length - 1) throw new UsageError(`not of the form FROM=TO: ${text}`);
  return { from: text.slice(0, at), to: text.slice(at + 1) };
}

const encoder = new TextEncoder();

/** The path with its beginning replaced, where that is whole components; else undefined. */
export function replacePrefix(path: string, { from, to }: Replacement): string | undefined {
  const [stem, target] = [from, to].map((each) => (each === "/" ? "" : each.replace(/\/+$/, "")));
  if (path !== stem && !path.startsWith(`${stem}/`)) return undefined;
  return `${target}${path.slice(stem.length)}` || "/";
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}
