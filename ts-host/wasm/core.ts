/**
 * The one seam to the WebAssembly core (asm-core/). Nothing else in the host knows that there is a linear
 * memory: other modules of this folder wrap what the core exports.
 */
import { coreBytes } from "#platform";
import { withoutTraps } from "./traps.ts";

/** What asm-core/assembly/index.ts exports. Pointers and lengths are unsigned 32-bit numbers. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  allocate(size: number): number;

  setSchema(table: number): void;
  transcodeInput(length: number): number;
  transcodeOutput(): number;
  verify(message: number, length: number): number;
  toProtobuf(message: number, length: number): number;
  fromProtobuf(message: number, length: number): number;
  pagemapToRows(length: number): number;
  pagemapConsumed(): number;
  pagemapFromRows(count: number): number;
  setNames(table: number): void;
  textStart(): number;
  protobufToJson(message: number, length: number, pretty: boolean, indent: number): number;
  bytesToJson(length: number): number;
  recordsToJson(message: number, length: number, most: number, pretty: boolean, isFirst: boolean): number;
  jsonRecords(): number;
  jsonConsumed(): number;
  failureCode(): number;
  failureOffset(): number;
  failurePath(): number;
  failureLevels(): number;

  xxh64(data: number, length: number, seed: bigint): bigint;
  xxh64Begin(lanes: number, seed: bigint): void;
  xxh64Add(lanes: number, data: number, length: number): void;
  xxh64End(lanes: number, data: number, total: bigint): bigint;
  sha256Begin(state: number): void;
  sha256Add(state: number, data: number, length: number): void;
  sha256End(state: number, data: number, total: bigint): void;
  lz4Bound(length: number): number;
  lz4Compress(source: number, length: number, target: number): number;
  lz4CompressWords(source: number, length: number, target: number): number;
  lz4Decompress(source: number, length: number, target: number, capacity: number): number;
  isZeroPage(page: number): number;
  copyPages(to: number, from: number, count: number): void;
  clearPages(pages: number, count: number): void;
  hashKey(): number;
  pageHashes(pages: number, count: number, into: number): void;

  findBytes(
    haystack: number,
    length: number,
    from: number,
    needle: number,
    size: number,
    left: number,
    right: number,
    anyCase: boolean,
  ): number;

  beginPack(first: number): void;
  addKnownPages(hashes: number, count: number, first: number): void;
  packInput(): number;
  packPages(count: number): number;
  packExtents(): number;
  packExtentCount(): number;
  packHashes(): number;
  packAddedPages(): number;
  packFresh(): number;
  packFreshPages(): number;
  packTake(count: number): void;

  sealRegion(pages: number, length: number, target: number): number;
  sealedEncoding(): number;
  sealedChecksum(): bigint;
  adjoiningRegions(rows: number, size: number, length: number, end: bigint): number;
  openRegions(rows: number, size: number, length: number, from: number, pages: number): number;
  openRegion(
    from: number,
    stored: number,
    encoding: number,
    checksum: bigint,
    pages: number,
    length: number,
  ): number;
}

/** An instance of the core, with a memory of its own. */
export class Core {
  static #module: WebAssembly.Module | undefined;
  static #shared: Core | undefined;

  readonly exports: CoreExports;
  #view: Uint8Array;

  private constructor(module: WebAssembly.Module) {
    this.exports = withoutTraps("the core", new WebAssembly.Instance(module).exports);
    this.#view = new Uint8Array(this.exports.memory.buffer);
  }

  /** The compiled module, from dist/core.wasm unless it is there: what another thread is given to `use`. */
  static compiled(): WebAssembly.Module {
    Core.#module ??= new WebAssembly.Module(coreBytes());
    return Core.#module;
  }

  /** All instances from now on are of this module. */
  static use(module: WebAssembly.Module): void {
    Core.#module = module;
  }

  /**
   * A new instance, from dist/core.wasm or, where there is no file system, from its bytes: these are needed once
   * only, all later instances are made of the same module.
   */
  static load(bytes?: BufferSource): Core {
    if (bytes !== undefined) Core.use(new WebAssembly.Module(bytes));
    return new Core(Core.compiled());
  }

  /** The instance that all of one thread use; loaded on first use, or here with the bytes given. */
  static shared(bytes?: BufferSource): Core {
    Core.#shared ??= Core.load(bytes);
    return Core.#shared;
  }

  /**
   * The core's memory from `pointer` on. Good only until the next call of anything that may grow the memory:
   * a view of before is then empty.
   */
  view(pointer: number, length: number): Uint8Array {
    if (this.#view.buffer !== this.exports.memory.buffer) {
      this.#view = new Uint8Array(this.exports.memory.buffer);
    }
    return this.#view.subarray(pointer >>> 0, (pointer >>> 0) + length);
  }

  /** Whether the bytes lie in the core's memory. */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.exports.memory.buffer;
  }

  /** A buffer of the core's memory that is kept for good, 16-byte aligned. */
  allocate(size: number): number {
    return this.exports.allocate(size) >>> 0;
  }
}
