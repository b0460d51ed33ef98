/** Images that hold one record. */
import { ImageError } from "../errors.ts";
import type { ImageKind, MessageOf } from "../generated/messages.ts";
import type { CheckpointReader, ImageName, ImageRecord } from "./checkpoint.ts";
import { imageFileName } from "./framing.ts";

/** The one record of an image. @throws ImageError where it has none */
export function onlyRecord<K extends ImageKind>(
  reader: CheckpointReader,
  name: ImageName<K>,
): ImageRecord<K> {
  const [record] = reader.read(name);
  if (record === undefined)
    throw new ImageError("no record: the image was cut", { file: imageFileName(name) });
  return record;
}

/** Its message. @throws ImageError where it has none */
export function onlyMessage<K extends ImageKind>(reader: CheckpointReader, name: ImageName<K>): MessageOf<K> {
  return onlyRecord(reader, name).message;
}

/** A field that has to be there although the format lets it be absent. @throws ImageError where it is not */
export function mustHave<M extends object, F extends keyof M & string>(
  message: M,
  field: F,
  name: ImageName,
): NonNullable<M[F]> {
  const value = message[field];
  if (value === undefined || value === null)
    throw new ImageError("required field is missing", { file: imageFileName(name), record: 0, field });
  return value;
}
