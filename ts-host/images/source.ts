/** Where the files of a checkpoint are read from: a directory, an archive, what a person dropped on a page. */
import { ImageError } from "../errors.ts";

/** A file that is read at any offset. */
export interface RandomFile {
  /** For messages. */
  readonly path: string;
  /** Bytes in the file. */
  readonly length: number;
  /** Fills `into` from `offset` on; an ImageError where the file ends before. */
  read(into: Uint8Array, offset: number): void;
  close(): void;
}

export interface FileSource {
  /** For messages. */
  readonly location: string;
  /** Names of everything in it. */
  list(): string[];
  /** Opens a file; an ImageError where there is none of that name. */
  open(name: string): RandomFile;
  /** What `parent` is in it: the checkpoint that an incremental one continues. */
  parent(): FileSource | undefined;
  /** Another directory, by a path from this one; not there where files come from an archive or a browser. */
  elsewhere?(path: string): FileSource;
}

/** Bytes in memory as a file. */
export function bytesFile(path: string, bytes: Uint8Array): RandomFile {
  return {
    path,
    length: bytes.length,
    read(into, offset) {
      if (offset + into.length > bytes.length)
        throw new ImageError("the file ends too early", { file: path, offset: bytes.length });
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close() {},
  };
}

/** The whole content of a file of at most `limit` bytes; closes the file. */
export function readWhole(file: RandomFile, limit: number): Uint8Array {
  try {
    if (file.length > limit) {
      throw new ImageError(`${file.length} bytes are more than the limit of ${limit}`, { file: file.path });
    }
    const content = new Uint8Array(file.length);
    file.read(content, 0);
    return content;
  } finally {
    file.close();
  }
}
