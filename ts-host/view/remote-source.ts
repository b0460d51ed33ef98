/** The files of a checkpoint that `criu-wasm view` serves, read by a worker of its page. */
import { ImageError } from "../errors.ts";
import type { FileSource, RandomFile } from "../images/source.ts";

/** A step from one directory to another: to its parent checkpoint, or along a path. */
export type Step = { parent: true } | { elsewhere: string };

/** Asks and waits: only workers may. */
function get(url: string, range?: string): XMLHttpRequest {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.responseType = "arraybuffer";
  if (range !== undefined) request.setRequestHeader("Range", range);
  request.send();
  if (request.status >= 400) {
    throw new ImageError(new TextDecoder().decode(request.response as ArrayBuffer), { file: url });
  }
  return request;
}

export class RemoteSource implements FileSource {
  readonly location: string;
  readonly #url: string;
  readonly #steps: readonly Step[];
  #listing: { location: string; names: string[]; hasParent: boolean } | undefined;

  constructor(url: string, steps: readonly Step[] = []) {
    this.#url = url;
    this.#steps = steps;
    this.location = this.#list().location;
  }

  #address(what: string, more: Record<string, string> = {}): string {
    const query = new URLSearchParams({ at: JSON.stringify(this.#steps), ...more });
    return `${this.#url}${what}?${query}`;
  }

  #list() {
    this.#listing ??= JSON.parse(
      new TextDecoder().decode(get(this.#address("list")).response as ArrayBuffer),
    );
    return this.#listing!;
  }

  list(): string[] {
    return this.#list().names;
  }

  open(name: string): RandomFile {
    const url = this.#address("file", { name });
    const length = Number(get(this.#address("size", { name })).getResponseHeader("X-Size"));
    return {
      path: `${this.location}/${name}`,
      length,
      read(into, offset) {
        if (into.length === 0) return;
        const bytes = get(url, `bytes=${offset}-${offset + into.length - 1}`).response as ArrayBuffer;
        if (bytes.byteLength < into.length)
          throw new ImageError("the file ends too early", { file: name, offset });
        into.set(new Uint8Array(bytes, 0, into.length));
      },
      close() {},
    };
  }

  parent(): FileSource | undefined {
    return this.#list().hasParent
      ? new RemoteSource(this.#url, [...this.#steps, { parent: true }])
      : undefined;
  }

  elsewhere(path: string): FileSource {
    return new RemoteSource(this.#url, [...this.#steps, { elsewhere: path }]);
  }
}
