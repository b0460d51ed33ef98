/** What the host uses of WebAssembly: TypeScript has these types only in its DOM library. */
type BufferSource = ArrayBufferView | ArrayBuffer;

declare namespace WebAssembly {
  class Module {
    constructor(bytes: BufferSource);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class RuntimeError extends Error {}
  class Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}
