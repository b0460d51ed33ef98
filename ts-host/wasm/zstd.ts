/**
 * The seam to libzstd, as the package @bokuweb/zstd-wasm has compiled it to WebAssembly. The package's own loader
 * answers later and copies more than it has to: the module is instantiated here, as the core is, and not before a
 * region needs it. Only for Node; portable-zstd.ts is for browsers.
 */
import { readFileSync } from "node:fs";
import { asset } from "../assets.ts";
import { CriuWasmError } from "../errors.ts";
import { withoutTraps } from "./traps.ts";

/** What is used of the module; its names are minified: test/unit/zstd.test.ts compares them with the package's own. */
export const ZSTD_NAMES = {
  memory: "f",
  initialise: "g",
  ZSTD_isError: "h",
  ZSTD_createCCtx: "j",
  ZSTD_compress_usingDict: "l",
  ZSTD_createDCtx: "n",
  ZSTD_decompress_usingDict: "q",
  malloc: "s",
} as const;

interface ZstdExports {
  readonly memory: WebAssembly.Memory;
  initialise(): void;
  ZSTD_isError(result: number): number;
  ZSTD_createCCtx(): number;
  ZSTD_compress_usingDict(
    context: number,
    target: number,
    capacity: number,
    source: number,
    length: number,
    dictionary: number,
    dictionaryLength: number,
    level: number,
  ): number;
  ZSTD_createDCtx(): number;
  ZSTD_decompress_usingDict(
    context: number,
    target: number,
    capacity: number,
    source: number,
    length: number,
    dictionary: number,
    dictionaryLength: number,
  ): number;
  malloc(size: number): number;
}

/** That of the command zstd. Memory of programs becomes 2 % larger at 1, and 15 % faster: not worth an option. */
const LEVEL = 3;
const WASM_PAGE = 65536;

let module: WebAssembly.Module | undefined;

function instantiate(): ZstdExports {
  module ??= new WebAssembly.Module(readFileSync(asset("zstd.wasm")));
  let memory: WebAssembly.Memory;
  const stop = () => {
    throw new CriuWasmError("libzstd gave up: there is not enough memory");
  };
  const grow = (size: number): number => {
    const missing = (size >>> 0) - memory.buffer.byteLength;
    try {
      memory.grow(Math.ceil(missing / WASM_PAGE));
      return 1;
    } catch {
      return 0;
    }
  };
  // In the order of its names: exit, leave the runtime, abort, set a timer, grow the heap.
  const imports = { a: stop, b() {}, c: stop, d: () => 0, e: grow };
  const { exports } = new WebAssembly.Instance(module, { a: imports });
  const named = Object.entries(ZSTD_NAMES).map(([name, minified]) => [name, exports[minified]]);
  const zstd = withoutTraps<ZstdExports>("libzstd", Object.fromEntries(named));
  memory = zstd.memory;
  zstd.initialise();
  return zstd;
}

/** Compresses and decompresses blocks, each a zstd frame. */
export class Zstd {
  readonly #exports = instantiate();
  readonly #source: number;
  readonly #target: number;
  #compressor = 0;
  #decompressor = 0;

  /** `most`: bytes of a block, at most, compressed or not. */
  constructor(most: number) {
    this.#source = this.#exports.malloc(most);
    this.#target = this.#exports.malloc(most);
  }

  /** Has libzstd make `target` of `source`: how many bytes it made, or undefined where it says that it cannot. */
  #run(
    source: Uint8Array,
    target: Uint8Array,
    make: (target: number, capacity: number, source: number, length: number) => number,
  ): number | undefined {
    const { memory, ZSTD_isError } = this.#exports;
    new Uint8Array(memory.buffer, this.#source, source.length).set(source);
    const length = make(this.#target, target.length, this.#source, source.length);
    if (ZSTD_isError(length)) return undefined;
    target.set(new Uint8Array(memory.buffer, this.#target, length));
    return length;
  }

  /** Compresses to `target`; answers how many bytes there are, or undefined where `target` has no room for them. */
  compress(source: Uint8Array, target: Uint8Array): number | undefined {
    const zstd = this.#exports;
    this.#compressor ||= zstd.ZSTD_createCCtx();
    return this.#run(source, target, (...places) =>
      zstd.ZSTD_compress_usingDict(this.#compressor, ...places, 0, 0, LEVEL),
    );
  }

  /** Decompresses to `target`; false when `source` is not what fills it. */
  decompress(source: Uint8Array, target: Uint8Array): boolean {
    const zstd = this.#exports;
    this.#decompressor ||= zstd.ZSTD_createDCtx();
    const length = this.#run(source, target, (...places) =>
      zstd.ZSTD_decompress_usingDict(this.#decompressor, ...places, 0, 0),
    );
    return length === target.length;
  }
}
