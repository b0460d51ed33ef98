/** What the host uses of browsers: TypeScript has these types only in its DOM library. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

interface File {
  /** Path from the directory that was chosen; "" for a single file. */
  readonly webkitRelativePath?: string;
}
