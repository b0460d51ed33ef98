/**
 * Where a checkpoint grows until it is complete: a hidden directory beside its final place. Publishing moves the
 * files out, the one last whose presence says "complete"; whatever stops us before leaves nothing to mistake.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileCall, sync } from "./files.ts";
import { STAGING_PREFIX } from "./open-source.ts";

const NAME = /^\.incomplete-(\d+)-\w+$/;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes what killed dumps left behind. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = NAME.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(directory, name), { recursive: true, force: true });
  }
}

export class Staging {
  readonly directory: string;
  readonly #place: string;
  readonly #createdDirectory: boolean;

  /** Creates `directory`, unless it exists, and the staging place in it. */
  constructor(directory: string) {
    this.directory = directory;
    this.#createdDirectory = !existsSync(directory);
    fileCall("mkdir", directory, () => mkdirSync(directory, { recursive: true }));
    fileCall("readdir", directory, () => removeLeftovers(directory));
    const prefix = join(directory, `${STAGING_PREFIX}${process.pid}-`);
    this.#place = fileCall("mkdtemp", prefix, () => mkdtempSync(prefix));
  }

  /** Path of a file that grows here. */
  path(name: string): string {
    return join(this.#place, name);
  }

  /** Makes the files `names`, which are written and closed, durable and moves them to their place; `last` last. */
  publish(names: string[], last: string): void {
    for (const name of [...names, last]) sync(this.path(name));
    for (const name of names) this.#move(name);
    sync(this.directory);
    this.#move(last);
    fileCall("rmdir", this.#place, () => rmdirSync(this.#place));
    sync(this.directory);
  }

  #move(name: string): void {
    const target = join(this.directory, name);
    fileCall("rename", target, () => renameSync(this.path(name), target));
  }

  /** Removes everything, and the directory too if it was made here and nobody else uses it. */
  discard(): void {
    rmSync(this.#place, { recursive: true, force: true });
    if (!this.#createdDirectory) return;
    try {
      rmdirSync(this.directory);
    } catch {}
  }
}
