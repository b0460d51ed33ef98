/** Runs the body of a verb: its result goes to stdout where --json asks for it, its failure to log and stderr. */
import { CriuWasmError, describe } from "../errors.ts";
import { LOG_ERROR, type Log } from "./log.ts";

export function run<T extends object>(
  verb: string,
  options: { json?: boolean },
  log: Log,
  body: () => T,
): T | undefined {
  try {
    const result = body();
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  } catch (error) {
    if (error instanceof CriuWasmError) error.within({ phase: verb });
    const text = describe(error);
    log.write(LOG_ERROR, text);
    if (log.isFile) process.stderr.write(`criu-wasm: ${text}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify({ error: text, ...contextOf(error) })}\n`);
    if (!(error instanceof CriuWasmError) && process.env.CRIU_WASM_DEBUG)
      process.stderr.write(`${(error as Error).stack}\n`);
    process.exitCode = 1;
    return undefined;
  } finally {
    log.close();
  }
}

function contextOf(error: unknown): object {
  return error instanceof CriuWasmError ? { context: error.context } : {};
}
