/** Images as the checks read them: one that is missing or damaged, which has been said, is as if it were empty. */
import { CriuWasmError } from "../../errors.ts";
import type { ImageKind, MessageOf } from "../../generated/messages.ts";
import type { ImageName, ImageRecord } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import type { Checkpoint } from "../checkpoint.ts";

export class Images {
  readonly checkpoint: Checkpoint;
  /** Images that cannot be read. */
  readonly damaged = new Set<string>();

  constructor(checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
  }

  /** Records as far as they can be read. */
  read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    if (!this.checkpoint.has(name) || this.damaged.has(imageFileName(name))) return [];
    try {
      return this.checkpoint.read(name);
    } catch (error) {
      if (error instanceof CriuWasmError) return [];
      throw error;
    }
  }

  /** Messages of an image that has no payloads. */
  messages<K extends ImageKind>(name: ImageName<K>): MessageOf<K>[] {
    return this.read(name).map(({ message }) => message);
  }

  first<K extends ImageKind>(name: ImageName<K>): MessageOf<K> | undefined {
    return this.read(name)[0]?.message;
  }

  /** All images of a kind. */
  named<K extends ImageKind>(kind: K): ImageName<K>[] {
    return this.checkpoint.list().filter((name): name is ImageName<K> => name.kind === kind);
  }
}
