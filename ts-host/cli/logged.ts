/** Runs the body of a verb that keeps a log: a failure goes there, too. */
import { CriuWasmError, describe } from "../errors.ts";
import { LOG_ERROR, type Log } from "./log.ts";

export async function logged<T>(verb: string, log: Log, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof CriuWasmError) error.within({ phase: verb });
    if (log.isFile) log.write(LOG_ERROR, describe(error));
    throw error;
  } finally {
    log.close();
  }
}
