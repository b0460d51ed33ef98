/**
 * Files with their paths, as an archive or a drop on a page holds them, and the checkpoints among them. Paths and
 * links come from a stranger: none leads out of the tree.
 */
import { ImageError, UsageError } from "../errors.ts";
import { INVENTORY_NAME } from "../images/criu-reader.ts";
import { METADATA_NAME } from "../images/native-format.ts";
import type { FileSource, RandomFile } from "../images/source.ts";

/** The entry that leads from an incremental checkpoint to the one that it continues. */
const PARENT = "parent";

/** The path without "." and empty parts. @throws ImageError where it leads out of the tree */
export function cleanPath(path: string, location: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/")) throw new ImageError(`holds an absolute path: ${path}`, { file: location });
  if (parts.includes("..")) throw new ImageError(`holds a path with ..: ${path}`, { file: location });
  return parts.join("/");
}

/** Where a relative link in `folder` leads to; undefined where that is out of the tree. */
function followLink(folder: string, target: string): string | undefined {
  if (target.startsWith("/")) return undefined;
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

export class FileTree {
  readonly location: string;
  readonly #files = new Map<string, () => RandomFile>();
  readonly #parents = new Map<string, string>();

  /** `location`: for messages. */
  constructor(location: string) {
    this.location = location;
  }

  add(path: string, open: () => RandomFile): void {
    const clean = cleanPath(path, this.location);
    if (this.#files.has(clean)) throw new ImageError(`holds ${clean} twice`, { file: this.location });
    this.#files.set(clean, open);
  }

  /** A symbolic link: only one that leads from a checkpoint to its parent means anything. */
  addLink(path: string, target: string): void {
    const clean = cleanPath(path, this.location);
    const { folder, name } = split(clean);
    if (name !== PARENT) return;
    const place = followLink(folder, target);
    if (place === undefined) {
      throw new ImageError(`${clean} leads out of the archive, to ${target}`, { file: this.location });
    }
    this.#parents.set(folder, place);
  }

  /** Names in a folder. */
  list(folder: string): string[] {
    const paths = [...this.#files.keys()].map(split);
    return paths.filter((path) => path.folder === folder).map(({ name }) => name);
  }

  open(folder: string, name: string): RandomFile {
    const path = folder === "" ? name : `${folder}/${name}`;
    const open = this.#files.get(path);
    if (open === undefined) throw new ImageError("no such file", { file: `${this.location}:${path}` });
    return open();
  }

  /** Folder of the checkpoint that the one in `folder` continues. */
  parentOf(folder: string): string | undefined {
    const inside = folder === "" ? PARENT : `${folder}/${PARENT}`;
    return this.#parents.get(folder) ?? (this.list(inside).length > 0 ? inside : undefined);
  }

  /** The checkpoint in `folder`, or by default the only one that none of the others continues. */
  checkpoint(folder?: string): FileSource {
    if (folder !== undefined) return new TreeSource(this, cleanPath(folder, this.location));
    const paths = [...this.#files.keys()].map(split);
    const complete = paths.filter(({ name }) => name === INVENTORY_NAME || name === METADATA_NAME);
    const folders = [...new Set(complete.map((path) => path.folder))];
    const continued = new Set(folders.map((candidate) => this.parentOf(candidate)));
    const last = folders.filter((candidate) => !continued.has(candidate));
    if (last.length === 1) return new TreeSource(this, last[0]);
    if (folders.length === 0) throw new ImageError("holds no checkpoint", { file: this.location });
    throw new UsageError(`holds ${folders.length} checkpoints: ${folders.slice(0, 5).join(", ")}`, {
      file: this.location,
      hint: "give it one of these folders by itself",
    });
  }
}

function split(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(0, slash)), name: path.slice(slash + 1) };
}

class TreeSource implements FileSource {
  readonly location: string;
  readonly #tree: FileTree;
  readonly #folder: string;

  constructor(tree: FileTree, folder: string) {
    this.#tree = tree;
    this.#folder = folder;
    this.location = folder === "" ? tree.location : `${tree.location}:${folder}`;
  }

  list(): string[] {
    return this.#tree.list(this.#folder);
  }

  open(name: string): RandomFile {
    return this.#tree.open(this.#folder, name);
  }

  parent(): FileSource | undefined {
    const folder = this.#tree.parentOf(this.#folder);
    return folder === undefined ? undefined : new TreeSource(this.#tree, folder);
  }
}
