/** Checkpoints whose files are in memory. */
import { CriuWasmError } from "../../ts-host/errors.ts";
import type { FileSource, RandomFile } from "../../ts-host/images/source.ts";

export class MemorySource implements FileSource {
  readonly location = "memory";
  readonly files: Map<string, Uint8Array>;

  constructor(files: Map<string, Uint8Array>) {
    this.files = files;
  }

  list(): string[] {
    return [...this.files.keys()];
  }

  open(name: string): RandomFile {
    const bytes = this.files.get(name);
    if (bytes === undefined) throw new CriuWasmError("no such file", { file: name });
    return memoryFile(name, bytes);
  }

  parent(): undefined {
    return undefined;
  }
}

export function memoryFile(path: string, bytes: Uint8Array): RandomFile {
  return {
    path,
    length: bytes.length,
    read(into, offset) {
      if (offset < 0 || offset + into.length > bytes.length)
        throw new CriuWasmError("the file ends too early", { file: path, offset });
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close() {},
  };
}
