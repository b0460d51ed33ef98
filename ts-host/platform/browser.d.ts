/** What the host uses of browsers: TypeScript has these types only in its DOM library. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

interface File {
  /** Path from the directory that was chosen; "" for a single file. */
  readonly webkitRelativePath?: string;
}

declare class XMLHttpRequest {
  open(method: string, url: string, isAsync: boolean): void;
  setRequestHeader(name: string, value: string): void;
  getResponseHeader(name: string): string | null;
  send(): void;
  responseType: string;
  readonly response: unknown;
  readonly status: number;
}
