/** Files that a person drops on the page, directories with all that is in them. */
import type { NamedFile } from "./protocol.ts";

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** The entries of a directory come in portions, the last of which is empty. */
async function entriesOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}

async function filesUnder(entry: FileSystemEntry): Promise<NamedFile[]> {
  if (entry.isFile) return [[entry.fullPath.replace(/^\//, ""), await fileOf(entry as FileSystemFileEntry)]];
  const inner = await entriesOf(entry as FileSystemDirectoryEntry);
  return (await Promise.all(inner.map(filesUnder))).flat();
}

async function filesIn(handle: FileSystemHandle, folder = ""): Promise<NamedFile[]> {
  const path = folder + handle.name;
  if (handle.kind === "file") return [[path, await (handle as FileSystemFileHandle).getFile()]];
  const files: NamedFile[] = [];
  for await (const inner of (handle as FileSystemDirectoryHandle).values())
    files.push(...(await filesIn(inner, `${path}/`)));
  return files;
}

/**
 * Entries are in every browser; but on a page that is itself a file, Chromium reads only handles. These come when the
 * event is over, both have to be asked for before.
 */
function filesOfItem(item: HandleItem): Promise<NamedFile[]> {
  const entry = item.webkitGetAsEntry();
  const handle = location.protocol === "file:" ? item.getAsFileSystemHandle?.() : undefined;
  if (handle !== undefined) return handle.then((found) => (found === null ? [] : filesIn(found)));
  return entry === null ? Promise.resolve([]) : filesUnder(entry);
}

/** Newer than what TypeScript knows. */
interface HandleItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

export async function droppedFiles(transfer: DataTransfer): Promise<NamedFile[]> {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  return (await Promise.all(items.map(filesOfItem))).flat();
}

export function chosenFiles(list: FileList | null): NamedFile[] {
  return [...(list ?? [])].map((file) => [file.webkitRelativePath || file.name, file]);
}
