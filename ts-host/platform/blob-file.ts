/** Files of a browser, read at any offset. */
import { ImageError, UnsupportedError } from "../errors.ts";
import type { RandomFile } from "../images/source.ts";

/** The bytes of a Blob, read when the call returns: only workers can. */
function readBlob(blob: Blob): Uint8Array {
  if (typeof FileReaderSync === "undefined") {
    throw new UnsupportedError("files can be read in a worker only", { hint: "open the checkpoint in one" });
  }
  return new Uint8Array(new FileReaderSync().readAsArrayBuffer(blob));
}

export class BlobFile implements RandomFile {
  readonly path: string;
  readonly #blob: Blob;

  constructor(path: string, blob: Blob) {
    this.path = path;
    this.#blob = blob;
  }

  get length(): number {
    return this.#blob.size;
  }

  read(into: Uint8Array, offset: number): void {
    const bytes = readBlob(this.#blob.slice(offset, offset + into.length));
    if (bytes.length < into.length) {
      throw new ImageError("the file ends too early", { file: this.path, offset: offset + bytes.length });
    }
    into.set(bytes);
  }

  close(): void {}
}
