/** The files of a checkpoint in a directory. */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { ImageError } from "../errors.ts";
import { InputFile } from "./files.ts";
import type { FileSource, RandomFile } from "./source.ts";

const REASONS: Record<string, { message: string; hint?: string }> = {
  ENOENT: { message: "no such directory" },
  ENOTDIR: {
    message: "not a directory",
    hint: "criu-wasm convert makes one of an archive; show, info and x look into it as it is",
  },
};

export class DirectorySource implements FileSource {
  readonly location: string;
  readonly #store: string | undefined;

  /** `store`: where the page store is now, should it have moved. */
  constructor(location: string, store?: string) {
    this.location = location;
    this.#store = store;
  }

  list(): string[] {
    try {
      return readdirSync(this.location);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const { message, ...more } = REASONS[code ?? ""] ?? { message: `cannot be read: ${code}` };
      throw new ImageError(message, { file: this.location, ...more }, error);
    }
  }

  open(name: string): RandomFile {
    return new InputFile(join(this.location, name));
  }

  parent(): FileSource | undefined {
    return this.list().includes("parent") ? new DirectorySource(join(this.location, "parent")) : undefined;
  }

  elsewhere(path: string): FileSource {
    return new DirectorySource(this.#store ?? resolve(this.location, path));
  }
}
