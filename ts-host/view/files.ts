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

export async function droppedFiles(transfer: DataTransfer): Promise<NamedFile[]> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  return (await Promise.all(entries.map(filesUnder))).flat();
}

export function chosenFiles(list: FileList | null): NamedFile[] {
  return [...(list ?? [])].map((file) => [file.webkitRelativePath || file.name, file]);
}
