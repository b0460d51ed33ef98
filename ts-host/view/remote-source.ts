/** The files of a checkpoint that `criu-wasm view` serves, read by a worker of its page. */
import { ImageError } from "../errors.ts";
import { bytesFile, type FileSource, type RandomFile } from "../images/source.ts";

/** A step from one directory to another: to its parent checkpoint, or along a path. */
export type Step = { parent: true } | { elsewhere: string };

/** What a directory has; sizes of its files in bytes, in the order of the names, or null for what is none. */
export interface Listing {
  location: string;
  names: string[];
  sizes: (number | null)[];
  hasParent: boolean;
}

/** A file of at most so many bytes comes together with the others like it, up to a limit for all: one question for many. */
const MOST_OF_ONE = 64 << 10;
const MOST_OF_ALL = 128 << 20;
/** Who reads so many bytes where the last ones have ended will go on: more are asked for at once. */
const MUCH = 64 << 10;
const READ_AHEAD = 8 << 20;

/** Names of the files that come together, in their order, with where each begins. */
export function gathered({ names, sizes }: Listing): Map<string, number> {
  const places = new Map<string, number>();
  let total = 0;
  for (const [index, name] of names.entries()) {
    const size = sizes[index];
    if (size === null || size > MOST_OF_ONE || total + size > MOST_OF_ALL) continue;
    places.set(name, total);
    total += size;
  }
  return places;
}

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

/** What was read last of a file, and perhaps more behind it. */
class Window {
  #url = "";
  #offset = 0;
  #bytes = new Uint8Array(0);

  /** `count` bytes from `offset` on of a file of `length`; fewer where it has become shorter. */
  read(url: string, offset: number, count: number, length: number): Uint8Array {
    const end = this.#offset + this.#bytes.length;
    const isSame = url === this.#url && offset >= this.#offset;
    if (!isSame || offset + count > end) {
      const goesOn = isSame && offset <= end && count >= MUCH;
      const size = Math.min(goesOn ? Math.max(count, READ_AHEAD) : count, length - offset);
      const range = `bytes=${offset}-${offset + size - 1}`;
      this.#bytes = new Uint8Array(get(url, range).response as ArrayBuffer);
      this.#url = url;
      this.#offset = offset;
    }
    return this.#bytes.subarray(offset - this.#offset, offset - this.#offset + count);
  }
}

export class RemoteSource implements FileSource {
  readonly location: string;
  readonly #url: string;
  readonly #steps: readonly Step[];
  #listing: Listing | undefined;
  #sizes: Map<string, number | null> | undefined;
  readonly #window = new Window();
  #gathered: { places: Map<string, number>; bytes: Uint8Array } | undefined;

  constructor(url: string, steps: readonly Step[] = []) {
    this.#url = url;
    this.#steps = steps;
    this.location = this.#list().location;
  }

  #address(what: string, more: Record<string, string> = {}): string {
    const query = new URLSearchParams({ at: JSON.stringify(this.#steps), ...more });
    return `${this.#url}${what}?${query}`;
  }

  #list(): Listing {
    this.#listing ??= JSON.parse(
      new TextDecoder().decode(get(this.#address("list")).response as ArrayBuffer),
    ) as Listing;
    return this.#listing;
  }

  /** Of what is listed; packs of a store are not, and are asked for. */
  #sizeOf(name: string): number {
    const { names, sizes } = this.#list();
    this.#sizes ??= new Map(names.map((listed, index) => [listed, sizes[index]]));
    return this.#sizes.get(name) ?? Number(get(this.#address("size", { name })).getResponseHeader("X-Size"));
  }

  list(): string[] {
    return [...this.#list().names];
  }

  /** The file, where it is one of those that come together. */
  #smallFile(name: string): RandomFile | undefined {
    this.#gathered ??= {
      places: gathered(this.#list()),
      bytes: new Uint8Array(get(this.#address("gathered")).response as ArrayBuffer),
    };
    const { places, bytes } = this.#gathered;
    const place = places.get(name);
    if (place === undefined) return undefined;
    return bytesFile(`${this.location}/${name}`, bytes.subarray(place, place + this.#sizeOf(name)));
  }

  open(name: string): RandomFile {
    const small = this.#smallFile(name);
    if (small !== undefined) return small;
    const url = this.#address("file", { name });
    const length = this.#sizeOf(name);
    return {
      path: `${this.location}/${name}`,
      length,
      read: (into, offset) => {
        if (into.length === 0) return;
        const bytes = this.#window.read(url, offset, into.length, length);
        if (bytes.length < into.length)
          throw new ImageError("the file ends too early", { file: name, offset });
        into.set(bytes);
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
