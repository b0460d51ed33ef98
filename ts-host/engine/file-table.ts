/** The files.img of a dump: every open file description, mapped file, root and working directory once. */
import type { FileEntry } from "../generated/messages.ts";
import { KCMP_FILE } from "../kernel/abi/kcmp.ts";
import { call } from "../native/calls.ts";
import type { DraftImages } from "./dump-task.ts";

interface Description {
  pid: number;
  fd: number;
  id: number;
}

export class FileTable {
  private readonly images: DraftImages;
  private readonly known = new Map<string, number>();
  private readonly descriptions = new Map<string, Description[]>();
  private last = 0;

  constructor(images: DraftImages) {
    this.images = images;
  }

  /** A fresh id. */
  allocate(): number {
    this.last += 1;
    return this.last;
  }

  /** The id of what `key` names (a mapped inode); `make` describes it once. */
  once(key: string, make: (id: number) => FileEntry): number {
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const id = this.add(make);
    this.known.set(key, id);
    return id;
  }

  /**
   * The id of the open file description behind a descriptor; `make` describes it once. Only descriptors with
   * the same fingerprint are asked for being the same, as the kernel compares but two at a time.
   */
  description(pid: number, fd: number, fingerprint: string, make: (id: number) => FileEntry): number {
    const similar = this.descriptions.get(fingerprint) ?? [];
    const same = similar.find((other) => call("kcmp", other.pid, pid, KCMP_FILE, other.fd, fd) === 0n);
    if (same) return same.id;
    const id = this.add(make);
    this.descriptions.set(fingerprint, [...similar, { pid, fd, id }]);
    return id;
  }

  private add(make: (id: number) => FileEntry): number {
    const id = this.allocate();
    this.images.append({ kind: "FILES" }, { message: make(id) });
    return id;
  }
}
