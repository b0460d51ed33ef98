/** The only registry of kinds of files. */
import type { RestoreTask } from "../../engine/restore-task.ts";
import { ImageError, UnsupportedError } from "../../errors.ts";
import { FdTypes, type FileEntry } from "../../generated/messages.ts";
import type { FileKind, HeldFile } from "./file-kind.ts";
import { memfdFile } from "./memfd.ts";
import { regular } from "./regular.ts";
import { terminalFile } from "./terminal.ts";
import { whatItIs } from "./unsupported.ts";

const FILE_KINDS: readonly FileKind[] = [terminalFile, memfdFile, regular];

/** The kind of a held file; what cannot be dumped is refused by name. */
export function kindOfFile(file: HeldFile): FileKind {
  const kind = FILE_KINDS.find((candidate) => candidate.recognises(file));
  if (!kind) {
    throw new UnsupportedError(`${whatItIs(file)}: not supported yet`, {
      fd: file.fd,
      file: file.link.toString(),
    });
  }
  return kind;
}

/** The entry of files.img with that id, and its kind. */
export function fileWithId(task: RestoreTask, id: number): { kind: FileKind; entry: FileEntry } {
  const entry = task.context.files.get(id);
  if (!entry) throw new ImageError(`no file has the id ${id}`, { file: "files.img" });
  const kind = FILE_KINDS.find(({ type }) => type === entry.type);
  if (!kind) {
    throw new UnsupportedError(`a file of type ${nameOfType(entry.type)}: not supported yet`, {
      file: "files.img",
    });
  }
  return { kind, entry };
}

function nameOfType(type: number): string {
  return Object.entries(FdTypes).find(([, value]) => value === type)?.[0] ?? String(type);
}
