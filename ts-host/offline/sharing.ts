/** Who has which file open, and which files have the other end of a pipe or a connection. */
import type { FileEntry, InetSkEntry } from "../generated/messages.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** A descriptor of a process. */
export interface Owner {
  pid: number;
  fd: number;
}

/** Lists by key. */
class Lists<K, V> {
  readonly #lists = new Map<K, V[]>();

  add(key: K, value: V): void {
    const list = this.#lists.get(key);
    if (list === undefined) this.#lists.set(key, [value]);
    else list.push(value);
  }

  get(key: K): readonly V[] {
    return this.#lists.get(key) ?? [];
  }
}

const pipeOf = ({ pipe, fifo }: FileEntry) => pipe?.pipe_id ?? fifo?.pipe_id;
const endsOf = (own: number[], ownPort: number, other: number[], otherPort: number, proto: number) =>
  `${proto} ${own} ${ownPort} ${other} ${otherPort}`;

function connectionOf({ src_addr, src_port, dst_addr, dst_port, proto }: InetSkEntry): string {
  return endsOf(src_addr, src_port, dst_addr, dst_port, proto);
}

function otherEndOf({ src_addr, src_port, dst_addr, dst_port, proto }: InetSkEntry): string {
  return endsOf(dst_addr, dst_port, src_addr, src_port, proto);
}

export class OpenFiles {
  readonly #owners = new Lists<number, Owner>();
  readonly #pipes = new Lists<number, FileEntry>();
  readonly #unixSockets = new Lists<number, FileEntry>();
  readonly #connections = new Lists<string, FileEntry>();

  /** Reads the descriptors of all processes. @throws ImageError where one leads nowhere */
  constructor(checkpoint: Checkpoint) {
    for (const { pid, descriptors } of checkpoint.processes)
      for (const { fd, file } of descriptors) this.#owners.add(file.id, { pid, fd });
    for (const file of checkpoint.files.values()) {
      const pipe = pipeOf(file);
      if (pipe !== undefined) this.#pipes.add(pipe, file);
      if (file.usk) this.#unixSockets.add(file.usk.ino, file);
      if (file.isk) this.#connections.add(connectionOf(file.isk), file);
    }
  }

  /** The descriptors that are this open file: they share its offset and flags. */
  ownersOf(file: FileEntry): readonly Owner[] {
    return this.#owners.get(file.id);
  }

  /** The files that have the other end of a pipe, or of a socket's connection, as far as they are in the checkpoint. */
  peersOf(file: FileEntry): readonly FileEntry[] {
    const { usk, isk } = file;
    const pipe = pipeOf(file);
    if (pipe !== undefined) return this.#pipes.get(pipe).filter(({ id }) => id !== file.id);
    if (usk) return usk.peer === 0 ? [] : this.#unixSockets.get(usk.peer);
    return isk && isk.dst_port !== 0 ? this.#connections.get(otherEndOf(isk)) : [];
  }
}
