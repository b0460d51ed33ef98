/** Runs the body of a verb: its result goes to stdout where --json asks for it, its failure to log and stderr. */
import { CriuWasmError, describe } from "../errors.ts";
import { LOG_ERROR, Log } from "./log.ts";

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
    reportFailure(verb, options, log, error);
    return undefined;
  } finally {
    log.close();
  }
}

/** The same for a verb that works on a checkpoint offline: it has no log file, and may wait for streams. */
export async function runOffline(
  verb: string,
  options: { json?: boolean },
  body: () => Promise<object>,
): Promise<void> {
  try {
    const result = await body();
    if (options.json) process.stdout.write(`${JSON.stringify(result, withHexAddresses)}\n`);
  } catch (error) {
    reportFailure(verb, options, new Log(LOG_ERROR), error);
  }
}

/** Addresses and offsets are 64 bits wide, numbers of JSON are not. */
function withHexAddresses(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `0x${value.toString(16)}` : value;
}

function reportFailure(verb: string, options: { json?: boolean }, log: Log, error: unknown): void {
  if (error instanceof CriuWasmError) error.within({ phase: verb });
  const text = describe(error);
  log.write(LOG_ERROR, text);
  if (log.isFile) process.stderr.write(`criu-wasm: ${text}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify({ error: text, ...contextOf(error) })}\n`);
  if (!(error instanceof CriuWasmError) && process.env.CRIU_WASM_DEBUG)
    process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
}

function contextOf(error: unknown): object {
  return error instanceof CriuWasmError ? { context: error.context } : {};
}
