import { CriuWasmError } from "../errors.ts";

/**
 * A trap, should there be one, reaches nobody as a trap: it is an error of this program, which says that it is a
 * bug. After it, the instance is not to be used any more, and none of its results was handed out.
 */
export function withoutTraps<T>(name: string, exports: Record<string, unknown>): T {
  let trapped: string | undefined;
  const guarded = (run: (...args: unknown[]) => unknown) =>
    function callCore(...args: unknown[]): unknown {
      if (trapped !== undefined) throw bug(name, trapped);
      try {
        return run(...args);
      } catch (error) {
        if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
        trapped = error.message;
        throw bug(name, trapped, error);
      }
    };
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(exports))
    result[key] = typeof value === "function" ? guarded(value as (...args: unknown[]) => unknown) : value;
  return result as T;
}

function bug(name: string, trap: string, cause?: unknown): CriuWasmError {
  const hint = "this is a bug in criu-wasm, or there is not enough memory";
  return new CriuWasmError(`${name} stopped: ${trap}`, { hint }, cause);
}
