/** Finds what the build puts beside the code: dist/core.wasm, dist/shim/shim.so, dist/shim/seed. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function packageRoot(): string {
  // The first versions of Node 20 have no import.meta.dirname.
  let folder = import.meta.dirname ?? dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    if (folder === dirname(folder)) throw new Error("this program is not in its package any more");
    folder = dirname(folder);
  }
  return folder;
}

/** Absolute path of a file of the package, given its path from the package's root. */
export function packageFile(path: string): string {
  return join(packageRoot(), path);
}

/** Absolute path of a built file, given its path under dist/. */
export function asset(path: string): string {
  return packageFile(join("dist", path));
}
