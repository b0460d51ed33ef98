/** The files.img of a dump: every open file description, mapped file, root and working directory once. */
import type { FileEntry } from "../generated/messages.ts";
import type { DraftImages } from "./dump-task.ts";

export class FileTable {
  private readonly images: DraftImages;
  private readonly known = new Map<string, number>();
  private last = 0;

  constructor(images: DraftImages) {
    this.images = images;
  }

  /** A fresh id. */
  allocate(): number {
    this.last += 1;
    return this.last;
  }

  /** The id of what `key` names (a mapped inode, an open file description); `make` describes it once. */
  once(key: string, make: (id: number) => FileEntry): number {
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const id = this.allocate();
    this.known.set(key, id);
    this.images.append({ kind: "FILES" }, { message: make(id) });
    return id;
  }
}
