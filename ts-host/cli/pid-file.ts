/** The file of --pidfile: opened before anything is done, so that no work is lost because it cannot be written. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { fileCall } from "../images/files.ts";

/** Runs `body`, which returns the pid to write into `file`; when it fails, the file is removed. */
export function withPidFile<T extends { pid: number }>(file: string | undefined, body: () => T): T {
  if (file === undefined) return body();
  const fd = fileCall("open", file, () => openSync(file, "w"));
  try {
    const result = body();
    fileCall("write", file, () => writeSync(fd, `${result.pid}`));
    return result;
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}
